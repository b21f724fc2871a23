"""The pairs-only families: their grids, and that a candidate of the grid is the aligner with these settings."""

import numpy as np
import pytest

from components.alignment import kernel_ridge, ridge_cca
from components.alignment.families import csa_family, kernel_ridge_family, procrustes_family
from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Pairs
from components.alignment.tuned import Unpaired


def world(pairs=40, dims=(6, 5)):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(pairs, 4))
    left, right = (z @ rng.normal(size=(4, d)) + 0.1 * rng.normal(size=(pairs, d)) for d in dims)
    return Pairs(left.astype(np.float32), right.astype(np.float32))


def family_of(make):
    empty = np.zeros((0, 6), np.float32), np.zeros((0, 5), np.float32)
    return make(Unpaired(*empty), (6, 5))


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (csa_family, len(ridge_cca.GAMMAS) * len(ridge_cca.RIDGES)),
        (kernel_ridge_family, len(kernel_ridge.SHARPNESS) * len(kernel_ridge.RIDGES)),
        (procrustes_family, 1),
    ],
)
def test_a_grid_has_every_setting_once_and_each_builds_maps_of_one_width(make, size):
    family, pairs = family_of(make), world()
    assert len(family.grid) == len(set(family.grid)) == size
    build = family.path(0, pairs)
    for candidate in (family.grid[0], family.grid[-1]):
        fitted = build(candidate.params)
        left, right = fitted.left(pairs.left), fitted.right(pairs.right)
        assert left.shape == right.shape and np.isfinite(left).all() and np.isfinite(right).all()
        assert set(family.describe(candidate)) <= {"ridge", "gamma", "sharpness"}


def test_procrustes_of_the_family_is_the_aligner():
    pairs = world(dims=(6, 6))
    empty = pairs.left[:0]
    family = procrustes_family(Unpaired(empty, empty), (6, 6))
    ours, plain = family.path(0, pairs)(None), Procrustes().fit(empty, empty, pairs)
    np.testing.assert_array_equal(ours.left(pairs.left), plain.left(pairs.left))
    np.testing.assert_array_equal(ours.right(pairs.right), plain.right(pairs.right))
