"""In-sample canonical correlations are the edge of noise; held-out ones and permutation bands tell the truth."""

import numpy as np
import pytest

from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Pairs
from components.alignment.ridge_cca import RidgeCCA
from components.evaluation.canonical import (
    Band,
    column_correlations,
    heldout_correlations,
    noise_edge,
    permutation_null,
)

NONE = np.zeros((0, 0))
PLAIN = RidgeCCA(ridge=0.0, gamma=0.0, dim=8)


def noise(n: int, d: int = 30, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    return Pairs(rng.normal(size=(n, d)), rng.normal(size=(n, d)))


def related(n: int, seed: int) -> Pairs:
    mix = np.random.default_rng(77).normal(size=(2, 3, 10))
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    return Pairs(*(z @ m + 0.5 * rng.normal(size=(n, 10)) for m in mix))


@pytest.mark.parametrize(("pairs", "published"), [(100, 0.90), (500, 0.46), (1000, 0.32)])
def test_pure_noise_has_the_first_correlation_of_the_edge(pairs: int, published: float) -> None:
    first = np.mean(
        [PLAIN.fit(NONE, NONE, noise(pairs, seed=s)).diagnostics["canonical_correlations"][0] for s in range(5)]
    )
    assert first == pytest.approx(published, abs=0.03)
    assert first == pytest.approx(noise_edge(30, pairs), abs=0.05)
    assert noise_edge(30, 60) == noise_edge(50, 60) == 1


def test_noise_lies_within_its_band_in_and_out_of_sample() -> None:
    pairs, heldout = noise(100), noise(200, seed=9)
    fitted = PLAIN.fit(NONE, NONE, pairs)
    null = permutation_null(lambda p: PLAIN.fit(NONE, NONE, p), pairs, heldout, seed=0, num_permutations=60)
    first = fitted.diagnostics["canonical_correlations"][0]
    assert null.in_sample.low[0] - 0.03 < first < null.in_sample.high[0] + 0.03 and first > 0.8
    outside = heldout_correlations(fitted, heldout)
    assert np.mean((null.heldout.low <= outside) & (outside <= null.heldout.high)) > 0.7
    assert np.abs(null.heldout.mean).max() < 0.05


def test_a_planted_relation_is_above_both_bands_and_noise_dimensions_are_not() -> None:
    pairs, heldout = related(100, 0), related(300, 1)
    fitted = PLAIN.fit(NONE, NONE, pairs)
    null = permutation_null(lambda p: PLAIN.fit(NONE, NONE, p), pairs, heldout, seed=0, num_permutations=40)
    inside = np.array(fitted.diagnostics["canonical_correlations"])
    outside = heldout_correlations(fitted, heldout)
    assert (inside[:3] > np.array(null.in_sample.high)[:3]).all()
    assert (outside[:3] > 0.7).all() and (outside[:3] > np.array(null.heldout.high)[:3]).all()
    assert np.abs(outside[4:]).max() < 0.25
    assert null.to_json()["heldout"]["high"] == null.heldout.high


def test_column_correlations_are_numpys_and_constant_columns_zero() -> None:
    pairs = noise(50, d=4)
    expected = [np.corrcoef(pairs.left[:, c], pairs.right[:, c])[0, 1] for c in range(4)]
    np.testing.assert_allclose(column_correlations(pairs.left, pairs.right), expected)
    assert column_correlations(np.ones((5, 1)), np.arange(5.0)[:, None])[0] == 0


def test_band_quantiles_and_wrong_alignment() -> None:
    band = Band.of(np.arange(101.0)[:, None])
    assert (band.low[0], band.mean[0], band.high[0]) == (2.5, 50, 97.5)
    other = Procrustes().fit(NONE, NONE, noise(20, d=4))
    heldout_correlations(PLAIN.fit(NONE, NONE, noise(20, d=9)), noise(20, d=9))
    with pytest.raises(TypeError, match="not an alignment of ridge CCA"):
        heldout_correlations(type(other)(other.left.parts[0], other.right), noise(20, d=4))  # type: ignore[attr-defined]
