"""Graphs in several parts: refused, bridged by the shortest edges, or cut to the largest part."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from components.errors import UserError
from components.graphs.build import build_graph
from components.graphs.config import GraphConfig

SIZES = (60, 40, 30)


def _blobs() -> np.ndarray:
    """Three clouds on a line, in mixed order, so far apart that no neighbour list crosses."""
    rng = np.random.default_rng(0)
    shift = np.array([100.0, 0.0, 0.0])
    rows = np.concatenate([rng.standard_normal((n, 3)) + place * shift for place, n in enumerate(SIZES)])
    return rows[rng.permutation(len(rows))].astype(np.float32)


def test_error_names_the_number_and_the_sizes_of_the_parts() -> None:
    with pytest.raises(UserError, match="3 parts of 60, 40, 30 rows"):
        build_graph(_blobs(), GraphConfig(components="error"))


def test_bridges_are_the_shortest_edges_between_the_parts() -> None:
    rows = _blobs()
    part = np.rint(rows[:, 0] / 100).astype(int)
    graph = build_graph(rows, GraphConfig(components="bridge"))
    assert (graph.num_parts, graph.sizes, graph.num_bridges) == (3, SIZES, 2)
    assert connected_components(graph.weights)[0] == 1
    crossing = {(i, j) for i, j in zip(*graph.weights.nonzero(), strict=True) if part[i] < part[j]}
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    shortest = set()
    for a, b in ((0, 1), (1, 2)):
        i, j = np.flatnonzero(part == a), np.flatnonzero(part == b)
        at = np.unravel_index(distances[np.ix_(i, j)].argmin(), (len(i), len(j)))
        shortest.add((i[at[0]], j[at[1]]))
    assert crossing == shortest


def test_largest_keeps_the_largest_part_and_says_which_rows() -> None:
    rows = _blobs()
    graph = build_graph(rows, GraphConfig(components="largest"))
    assert (np.rint(rows[graph.rows, 0] / 100) == 0).all() and len(graph.rows) == 60
    assert graph.weights.shape == (60, 60) and len(graph.kernel.scales) == len(graph.radii) == 60


def test_graph_of_shuffled_rows_is_the_shuffled_graph() -> None:
    rows = _blobs()
    order = np.random.default_rng(1).permutation(len(rows))
    one, two = build_graph(rows, GraphConfig()), build_graph(rows[order], GraphConfig())
    np.testing.assert_allclose(two.weights.toarray(), one.weights.toarray()[np.ix_(order, order)], rtol=1e-12)


def test_non_finite_rows_are_refused() -> None:
    rows = _blobs()
    rows[7, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        build_graph(rows, GraphConfig())
