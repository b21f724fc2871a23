"""Semi-supervised CCA: equal to CCA where it must be, and unpaired rows that count."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.protocol import Pairs
from components.alignment.semi_cca import SemiCCA, Spectrum, canonical_path, cross_covariance, moments
from components.errors import UserError


def test_without_unpaired_rows_it_is_scikit_learns_cca() -> None:
    from sklearn.cross_decomposition import CCA

    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3))
    x, y = (z @ rng.normal(size=(3, d)) + 0.5 * rng.normal(size=(300, d)) for d in (6, 5))
    pairs = Pairs(x, y)
    spectra = Spectrum.of(x, None), Spectrum.of(y, None)
    found = canonical_path(spectra, cross_covariance(pairs), 3)((1e-9, 1.0)).diagnostics["canonical_correlations"]
    oracle = CCA(3, max_iter=5000, tol=1e-12).fit(x, y).transform(x, y)
    expected = [np.corrcoef(oracle[0][:, k], oracle[1][:, k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_covariance_is_that_of_all_rows_together() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(20, 4)), rng.normal(size=(50, 4)) + 1
    spectrum = Spectrum.of(a, moments(b))
    both = np.concatenate([a, b])
    np.testing.assert_allclose(spectrum.mean, both.mean(axis=0))
    again = (spectrum.vectors * spectrum.values) @ spectrum.vectors.T
    np.testing.assert_allclose(again, np.cov(both.T, bias=True), atol=1e-10)


def test_finds_partners_and_is_at_chance_on_noise() -> None:
    world, noise = SmallWorld("linear"), SmallWorld("noise")
    assert world.foscttm(SemiCCA().fit(world.left, world.right, world.pairs)) < 0.05
    assert abs(noise.foscttm(SemiCCA().fit(noise.left, noise.right, noise.pairs)) - 0.5) < 0.1
    none = world.left[:0], world.right[:0]
    assert world.foscttm(SemiCCA().fit(*none, world.pairs)) < 0.1


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match="shrinkages"):
        SemiCCA(shrinkages=(0.0,))
