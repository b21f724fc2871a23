"""PCA of the shared space and the mixing score."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from components.reporting.data import SharedSpace
from components.reporting.projection import mixing_score, project

RNG = np.random.default_rng(0)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_projection_equals_scikit_learn_up_to_sign() -> None:
    left, right = RNG.standard_normal((30, 5)) * [5, 3, 1, 1, 1], RNG.standard_normal((20, 5)) * [5, 3, 1, 1, 1]
    ours = project(SharedSpace(left=left, right=right))
    both = np.concatenate([ours.left, ours.right])
    oracle = PCA(2).fit(np.concatenate([left, right]))
    theirs = oracle.transform(np.concatenate([left, right]))
    np.testing.assert_allclose(np.abs(both), np.abs(theirs), atol=1e-9)
    np.testing.assert_allclose(ours.explained, oracle.explained_variance_ratio_, atol=1e-12)


def test_projection_does_not_depend_on_the_order_of_rows() -> None:
    left, right = RNG.standard_normal((30, 5)), RNG.standard_normal((20, 5))
    order = RNG.permutation(30)
    plain = project(SharedSpace(left=left, right=right))
    shuffled = project(SharedSpace(left=left[order], right=right))
    np.testing.assert_allclose(shuffled.left, plain.left[order], atol=1e-9)


def test_one_dimension_still_has_two_coordinates() -> None:
    flat = project(SharedSpace(left=np.arange(4.0)[:, None], right=np.arange(3.0)[:, None]))
    assert flat.left.shape == (4, 2)
    assert not flat.left[:, 1].any()


def test_one_cloud_mixes_and_two_islands_do_not() -> None:
    cloud = unit(RNG.standard_normal((600, 8)))
    assert mixing_score(SharedSpace(left=cloud[:300], right=cloud[300:])) == pytest.approx(1.0, abs=0.05)
    shift = np.array([9.0] + [0.0] * 7)
    islands = SharedSpace(left=unit(cloud[:300] + shift), right=unit(cloud[300:] - shift))
    assert mixing_score(islands) == 0.0


def test_mixing_is_not_moved_by_unequal_numbers_of_rows() -> None:
    cloud = unit(RNG.standard_normal((900, 8)))
    assert mixing_score(SharedSpace(left=cloud[:800], right=cloud[800:])) == pytest.approx(1.0, abs=0.12)
