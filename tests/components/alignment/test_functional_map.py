"""Functional maps: the closed form, its two limits, and a curved world where linear maps fail."""

import numpy as np
from few_pair_worlds import SmallWorld

from components.alignment.functional_map import FunctionalMap, solve_map
from components.alignment.procrustes import Procrustes

rng = np.random.default_rng(0)
A, B = rng.normal(size=(30, 6)), rng.normal(size=(30, 5))


def test_without_penalty_it_is_ridge() -> None:
    expected = np.linalg.solve(A.T @ A / 30 + 0.2 * np.eye(6), A.T @ B / 30)
    np.testing.assert_allclose(solve_map(A, B, np.zeros((6, 5)), 0.2), expected, atol=1e-10)


def test_solution_is_a_minimum_of_the_penalised_loss() -> None:
    penalty = rng.uniform(0, 3, (6, 5))

    def loss(c: np.ndarray) -> float:
        return float(((A @ c - B) ** 2).sum() / 30 + (penalty * c**2).sum() + 0.1 * (c**2).sum())

    best = solve_map(A, B, penalty, 0.1)
    for _ in range(20):
        assert loss(best + 1e-3 * rng.normal(size=best.shape)) > loss(best)


def test_strong_penalty_makes_the_map_diagonal() -> None:
    apart = (np.arange(6)[:, None] - np.arange(5)[None]) ** 2.0
    c = solve_map(A, B, 1e6 * apart, 0.1)
    off = c - np.diag(np.diag(c))[:, :5] if c.shape[0] == 5 else c * (apart > 0)
    assert np.abs(off).max() < 1e-5 < np.abs(np.diag(c)).max()


def test_curved_world_is_found_with_few_pairs_where_rotations_fail() -> None:
    world = SmallWorld("curved", pairs=25)
    config = FunctionalMap(dims=(30, 60))
    fitted = config.fit(world.left, world.right, world.pairs)
    assert world.foscttm(fitted) < 0.1
    assert world.foscttm(Procrustes().fit(world.left, world.right, world.pairs)) > 2 * world.foscttm(fitted)


def test_swapping_the_sides_transposes_the_scores() -> None:
    from components.alignment.protocol import Pairs

    world, config = SmallWorld("curved", pairs=20), FunctionalMap(dims=(15,), commutes=(0.1,))
    a = config.fit(world.left, world.right, world.pairs).score(world.new.left, world.new.right)
    swapped = config.fit(world.right, world.left, Pairs(world.pairs.right, world.pairs.left))
    np.testing.assert_allclose(swapped.score(world.new.right, world.new.left).T, a, atol=1e-3)
