"""The cost model finds the law that made synthetic timings, and says what is dear at sizes nobody has run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cluster.cost_model import LAWS, Point, estimate, fit_step
from components.errors import UserError

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)


def timings(power: float, logs: int, *, fixed: float = 0.0, at_most: float = 60.0, noise: float = 0.0) -> list[Point]:
    rng = np.random.default_rng(0)
    unit = at_most / (SIZES[-1] ** power * math.log(SIZES[-1]) ** logs)
    return [
        Point(
            rows=n,
            seconds=(fixed + unit * n**power * math.log(n) ** logs) * math.exp(noise * rng.normal()),
            bytes=8 * n,
        )
        for n in SIZES
    ]


@pytest.mark.parametrize("law", LAWS)
def test_the_law_is_found_whatever_is_fixed(law: tuple[float, int]) -> None:
    power, logs = law
    fixed = 0.0 if power == 0 else 0.02
    points = timings(power, logs, fixed=fixed)
    cost = fit_step("s", points)
    assert abs(cost.power - power) <= (0.0 if logs == 0 else 0.5)
    assert cost.worst < 1.15
    for point in points:
        assert cost.seconds(point.rows) == pytest.approx(point.seconds, rel=0.15)
    assert cost.bytes(1e6) == pytest.approx(8e6)


def test_ten_times_further_within_a_factor_of_two() -> None:
    for power, logs in LAWS:
        points = timings(power, logs, fixed=0.05, noise=0.05)
        for seen in (3, 4):
            told = fit_step("s", points[:seen]).seconds(SIZES[seen])
            assert 0.5 < told / points[seen].seconds < 2, (power, logs)


def test_small_times_count_as_much_as_large_ones() -> None:
    cost = fit_step("s", timings(1.0, 0, fixed=5.0))
    assert cost.fixed_s == pytest.approx(5.0, rel=0.05)


def test_one_size_is_enough_for_a_guess() -> None:
    cost = fit_step("s", [Point(rows=1000, seconds=1.0)])
    assert (cost.law, cost.fixed_s) == ("n ln n", 0.0)
    assert cost.seconds(1000) == pytest.approx(1.0)
    assert cost.seconds(10_000) == pytest.approx(10 * math.log(10_000) / math.log(1000))
    with pytest.raises(UserError, match="step s has no measured time"):
        fit_step("s", [])


def test_what_dominates_changes_with_the_size() -> None:
    costs = {
        "encode": fit_step("encode", [Point(rows=n, seconds=1e-3 * n, bytes=100 * n) for n in SIZES]),
        "graph": fit_step("graph", [Point(rows=n, seconds=1e-9 * n**2, bytes=20 * n) for n in SIZES]),
        "report": fit_step("report", [Point(rows=n, seconds=3.0) for n in SIZES]),
    }
    assert [costs[name].law for name in costs] == ["n", "n^2", "1"]
    assert [estimate(costs, n).dominant for n in (1e2, 1e5, 1e8)] == ["report", "encode", "graph"]
    told = estimate(costs, 1e6)
    assert told.bytes == pytest.approx(1.2e8)
    assert told.hours == pytest.approx((1000 + 1000 + 3) / 3600, rel=0.01)
