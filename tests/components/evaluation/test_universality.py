"""Universality: equal and unrelated geometries bracket every statistic; each null is at chance."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import UserError
from components.evaluation.universality import (
    UniversalityConfig,
    eigenvalue_curves,
    pair_cosines,
    span_angles,
    walk_distances,
)

SMALL = UniversalityConfig(subset=60, num_subsets=3, neighbours=8, permutations=120, dim=4, curve=8, curve_nulls=4)


def clustered(seed: int, num: int = 150) -> np.ndarray:
    """Ten clusters on a few directions of R^12."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(10, 3)) @ rng.normal(size=(3, 12))
    return (2 * centres[rng.integers(10, size=num)] + 0.3 * rng.normal(size=(num, 12))).astype(np.float32)


def rotation() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(9).normal(size=(12, 12)))[0].astype(np.float32)


def test_walks_do_not_see_a_rotation_and_strangers_are_as_far_as_permuted_items() -> None:
    rows = clustered(0)
    same = walk_distances(rows, rows @ rotation(), SMALL)
    assert same["corresponding"]["mean"] < 0.01 and same["p"] < 0.01 and same["permuted"]["mean"] > 0.5
    strangers = walk_distances(rows, clustered(1), SMALL)
    assert strangers["p"] > 0.01
    assert strangers["corresponding"]["mean"] == pytest.approx(strangers["permuted"]["mean"], abs=0.05)


def test_cosines_separate_true_pairs_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    left = rng.normal(size=(80, 6))
    near = pair_cosines(left, left + 0.1 * rng.normal(size=left.shape), SMALL)
    assert near["separation"] > 0.99 and near["p"] < 0.01 and near["true_mean"] > 0.9 > near["others_mean"]
    assert sum(near["true"]) == pytest.approx(1.0) and sum(near["others"]) == pytest.approx(1.0)
    far = pair_cosines(left, rng.normal(size=left.shape), SMALL)
    assert far["separation"] == pytest.approx(0.5, abs=0.1) and far["p"] > 0.01
    assert far["permuted"]["mean"] == pytest.approx(0.5, abs=0.02)


def test_spans_are_equal_under_any_change_of_basis_and_random_ones_overlap_by_k_over_t() -> None:
    rng = np.random.default_rng(0)
    left = rng.normal(size=(200, 4))
    same = span_angles(left, left @ rng.normal(size=(4, 4)) + 3, SMALL)
    assert same["overlap"] == pytest.approx(1.0) and same["p"] < 0.01
    assert same["permuted"]["mean"] == pytest.approx(4 / 199, abs=0.005)  # E cos² = K / (T - 1)
    assert span_angles(left, rng.normal(size=(200, 4)), SMALL)["p"] > 0.01


def test_eigenvalues_agree_for_copies_and_not_once_columns_are_shuffled() -> None:
    rows = clustered(0)
    same = eigenvalue_curves(rows, rows[::-1] @ rotation(), SMALL)
    assert same["distance"] < 0.02 < same["null_distance"]["mean"]
    assert same["p"] == pytest.approx(1 / 9)  # nearer than all of the 2 x 4 copies
    assert len(same["left"]) == 8 and same["left"][0] <= 1.0


def test_too_few_pairs_are_one_sentence() -> None:
    rows = clustered(0, num=7)
    with pytest.raises(UserError, match="too few for a walk"):
        walk_distances(rows, rows, SMALL)
    with pytest.raises(UserError, match="too few to compare spans"):
        span_angles(rows, rows, SMALL)
