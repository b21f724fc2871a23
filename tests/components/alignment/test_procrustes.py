"""Procrustes: SciPy's solution, exact recovery of a planted rotation, unequal dimensions."""

import numpy as np

from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Pairs
from components.transforms import unit_rows

NONE = np.zeros((0, 0), dtype=np.float32)


def orthogonal(d: int, seed: int) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return q


def test_scores_are_those_of_scipys_rotation() -> None:
    from scipy.linalg import orthogonal_procrustes

    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 6))
    y = x @ orthogonal(6, 1) + 0.5 * rng.normal(size=(50, 6))
    rotation, _ = orthogonal_procrustes(x, y)
    fitted = Procrustes().fit(NONE, NONE, Pairs(x, y))
    np.testing.assert_allclose(fitted.score(x, y), unit_rows(x @ rotation) @ unit_rows(y).T, atol=1e-5)


def test_a_planted_rotation_is_recovered_exactly() -> None:
    rng = np.random.default_rng(0)
    x, new = rng.normal(size=(20, 8)), rng.normal(size=(100, 8))
    q = orthogonal(8, 2)
    fitted = Procrustes().fit(NONE, NONE, Pairs(x, x @ q))
    np.testing.assert_allclose(fitted.transform_left(new), fitted.transform_right(new @ q), atol=1e-5)


def test_larger_side_maps_onto_the_smaller_isometrically() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(40, 4))
    x = np.column_stack([y, np.zeros((40, 5))]) @ orthogonal(9, 3)
    fitted = Procrustes().fit(NONE, NONE, Pairs(x, y))
    assert fitted.transform_left(x).shape == (40, 4)
    np.testing.assert_allclose(fitted.score(x, y), unit_rows(y) @ unit_rows(y).T, atol=1e-5)


def test_directions_without_a_pair_are_left_out() -> None:
    rng = np.random.default_rng(0)
    pairs = Pairs(rng.normal(size=(5, 30)), rng.normal(size=(5, 20)))
    fitted = Procrustes().fit(NONE, NONE, pairs)
    assert fitted.diagnostics["rank"] == 5
    assert fitted.transform_left(rng.normal(size=(7, 30))).shape == (7, 5)
