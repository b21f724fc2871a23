"""Intervals: SciPy's values, honest coverage, seeds."""

import numpy as np
import pytest

from components.evaluation.intervals import bootstrap_interval, t_interval, wilson_interval


def test_t_interval_is_scipys_and_stays_within_bounds() -> None:
    from scipy import stats

    values = np.array([20.0, 22.5, 19.0, 25.0, 23.5])
    found = t_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert (found.mean, found.num) == (22.0, 5)
    np.testing.assert_allclose([found.low, found.high], [low, high])
    cut = t_interval(np.array([0.0, 0.0, 2.0]), bounds=(0, 100))
    assert cut.low == 0 and cut.high > 2


def test_t_interval_covers_the_truth_95_times_in_100() -> None:
    draws = np.random.default_rng(0).normal(7, 3, size=(1000, 5))
    covered = np.mean([i.low <= 7 <= i.high for i in map(t_interval, draws)])
    assert abs(covered - 0.95) < 0.025


def test_one_value_has_no_spread_and_none_is_refused() -> None:
    assert t_interval(np.array([3.0])).low == t_interval(np.array([3.0])).high == 3
    with pytest.raises(ValueError, match="no values"):
        t_interval(np.array([]))
    with pytest.raises(ValueError, match="no values"):
        bootstrap_interval(np.array([]), np.mean, seed=0)  # type: ignore[arg-type]


def test_bootstrap_matches_the_normal_interval_of_a_mean_and_its_seed() -> None:
    values = np.random.default_rng(1).normal(size=400)
    found = bootstrap_interval(values, lambda v: float(v.mean()), seed=0)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose([found.low, found.high], [values.mean() - half, values.mean() + half], atol=0.02)
    assert found == bootstrap_interval(values, lambda v: float(v.mean()), seed=0)
    assert found != bootstrap_interval(values, lambda v: float(v.mean()), seed=1)


def test_wilson_interval_holds_its_share_and_is_never_empty() -> None:
    for hits, num in ((0, 96), (96, 96), (1, 3), (40, 100)):
        low, high = wilson_interval(hits, num)
        assert 0 <= low <= hits / num <= high <= 1 and high - low > 0.01
    assert wilson_interval(40, 100) == pytest.approx((0.3094, 0.4980), abs=1e-3)
    with pytest.raises(ValueError):
        wilson_interval(0, 0)
