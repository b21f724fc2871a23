"""Wasserstein Procrustes: planted permutations and rotations, with pairs and without any."""

from dataclasses import replace

import numpy as np
import pytest

from components.alignment.protocol import Pairs
from components.alignment.wasserstein_procrustes import WassersteinProcrustes, match_centres
from components.errors import UserError
from components.evaluation.retrieval import measure, rank_partners

TURN = np.linalg.qr(np.random.default_rng(5).normal(size=(10, 10)))[0]
CONFIG = WassersteinProcrustes(dim=10, centres=12, repeats=4, restarts=10, rounds=8, block=300)


def cloud(n: int, seed: int) -> np.ndarray:
    """Twelve clusters in R^10; different sizes of the axes give the shape something to hold on to."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(12, 10)) * 2
    return (centres[rng.integers(0, 12, n)] + rng.normal(size=(n, 10))) * np.linspace(2, 0.5, 10)


def foscttm(pairs: int, config: WassersteinProcrustes = CONFIG) -> float:
    known, new = cloud(pairs, 4), cloud(150, 3)
    fitted = config.fit(cloud(500, 1), cloud(500, 2) @ TURN, Pairs(known, known @ TURN))
    return measure(rank_partners(fitted.transform_left(new), fitted.transform_right(new @ TURN))).foscttm


def test_planted_permutation_of_centres_is_found() -> None:
    rng = np.random.default_rng(0)
    a, truth = rng.normal(size=(12, 6)), rng.permutation(12)
    match = match_centres(a, a[np.argsort(truth)], np.zeros((12, 12)), 5, rng)
    np.testing.assert_array_equal(match.rows, truth)
    assert match.value == pytest.approx(1.0)


def test_pairs_decide_where_the_shape_is_symmetric() -> None:
    square = np.array([[1.0, 1], [1, -1], [-1, -1], [-1, 1]])
    for shift in range(4):
        counts = np.roll(np.eye(4), shift, axis=1) / 4
        match = match_centres(square, square, counts, 3, np.random.default_rng(0))
        np.testing.assert_array_equal(match.rows, np.roll(np.arange(4), -shift) if shift else np.arange(4))


def test_rotation_is_found_with_few_pairs_and_with_none() -> None:
    assert foscttm(20) < 1e-3
    assert np.median([foscttm(0, replace(CONFIG, seed=seed)) for seed in range(3)]) < 0.01


def test_same_seed_same_map_and_too_few_rows_are_refused() -> None:
    none = Pairs(np.zeros((0, 10)), np.zeros((0, 10)))
    a, b = (CONFIG.fit(cloud(100, 1), cloud(100, 2), none) for _ in range(2))
    np.testing.assert_array_equal(a.transform_left(cloud(5, 9)), b.transform_left(cloud(5, 9)))
    with pytest.raises(UserError, match="5 unpaired left rows for 12 centres"):
        CONFIG.fit(cloud(5, 1), cloud(100, 2), none)
