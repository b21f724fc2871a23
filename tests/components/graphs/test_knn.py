"""Nearest neighbours: against brute force, without the row itself, the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import UserError
from components.graphs.knn import TARGET_RECALL, NeighbourIndex, knn, recall


def _rows(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def test_exact_neighbours_are_those_of_brute_force() -> None:
    rows = _rows(300)
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    found = knn(rows, 7)
    assert (found.indices == np.argsort(distances, axis=1)[:, :7]).all()
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :7], rtol=1e-5)


def test_no_row_is_its_own_neighbour_even_among_duplicates() -> None:
    rows = np.repeat(_rows(6), 10, axis=0)
    found = knn(rows, 4)
    assert not (found.indices == np.arange(60)[:, None]).any()
    assert (found.distances == 0).all()


def test_ties_stand_in_order_of_the_index() -> None:
    corners = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    assert knn(corners, 4).indices[0].tolist() == [1, 2, 3, 4]


def test_cells_reach_the_target_recall_and_are_the_same_for_a_seed() -> None:
    rows = _rows(4000, dim=16)
    exact, one, two = knn(rows, 10), knn(rows, 10, exact=False, seed=3), knn(rows, 10, exact=False, seed=3)
    assert recall(one, exact) >= TARGET_RECALL - 0.03  # the target is measured on a sample
    assert recall(exact, exact) == 1.0
    assert (one.indices == two.indices).all()
    assert NeighbourIndex(rows, exact=False).recall >= TARGET_RECALL


def test_a_graph_needs_more_rows_than_neighbours() -> None:
    with pytest.raises(UserError, match="more than 15 rows, there are 12"):
        knn(_rows(12), 15)
