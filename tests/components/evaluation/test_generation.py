"""Scores of generated pictures: closed forms, and what they say of copies, of one mode, and of nothing."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.generation import coverage, distances, kernel_distance, memorization, retrieve_true

RNG = np.random.default_rng(0)
REAL, MORE = RNG.standard_normal((2, 300, 6))


def _normal(seed: int, rows: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, 4))


def test_kernel_distance_is_unbiased() -> None:
    """Its mean over draws from one distribution is 0 within the standard error, though each draw has only 20 rows."""
    found = np.array([kernel_distance(_normal(2 * s, 20), _normal(2 * s + 1, 20)) for s in range(400)])
    assert abs(found.mean()) < 3 * found.std() / 20
    assert (found < 0).any()


def test_kernel_distance_is_the_formula() -> None:
    x, y = _normal(0, 5), _normal(1, 4) + 1
    s = np.square(x).sum(1).mean()

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / s + 1) ** 3)

    xx = np.mean([k(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    yy = np.mean([k(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(xx + yy - 2 * xy)
    assert kernel_distance(REAL, MORE + 1) > 20 * abs(kernel_distance(REAL, MORE))


def test_coverage_of_identical_disjoint_and_one_sided_sets() -> None:
    same = coverage(REAL, REAL[::-1])
    assert same.precision == same.recall == 1
    apart = coverage(REAL, REAL + 100)
    assert apart.precision == apart.recall == 0
    modes = np.concatenate([REAL, REAL + 50])
    one_mode = coverage(modes, MORE)
    assert one_mode.precision > 0.8 and one_mode.recall < 0.55


def test_copies_are_memorized_and_new_draws_are_not() -> None:
    training, heldout, new = np.random.default_rng(1).standard_normal((3, 400, 5))
    copied = memorization(training[:50] + 1e-4, training, heldout)
    assert copied.share == 1 and copied.nearer > 0.99
    assert (copied.nearest == np.arange(50)).all()
    fresh = memorization(new, training, heldout)
    assert abs(fresh.share - 0.05) < 0.03 and abs(fresh.nearer - 0.5) < 0.04
    assert memorization(heldout, training, heldout).nearer == pytest.approx(0.5)


def test_true_pictures_are_found_and_shuffled_texts_are_at_chance() -> None:
    true = MORE[:200]
    made = true + 0.05 * RNG.standard_normal(true.shape) + 7  # all of them moved alike: the centres take it off
    found = retrieve_true(made, true, made_centre=made.mean(0), true_centre=true.mean(0), seed=0)
    assert found.recall.mean == 1
    assert found.control.mean == pytest.approx(10 / 200, abs=0.01)
    assert found.ratio == pytest.approx(1 / found.control.mean)
    nothing = retrieve_true(REAL[:200], true, made_centre=REAL.mean(0), true_centre=true.mean(0), seed=0)
    assert nothing.recall.low < 10 / 200 < nothing.recall.high


def test_distances() -> None:
    np.testing.assert_allclose(distances(REAL[:5], MORE[:4])[2, 3], np.linalg.norm(REAL[2] - MORE[3]))
    np.testing.assert_allclose(np.diag(distances(REAL + 1e3, REAL + 1e3)), 0, atol=1e-3)
