"""The planted rows of the benchmark have the gap that it relies on, and one small case can be measured."""

from __future__ import annotations

import numpy as np

from components.graphs.build import build_graph
from components.graphs.config import GraphConfig
from components.spectral.config import EigenConfig
from components.spectral.eigen import largest_gap, spectral_basis
from pipelines.bench.spectral import CLUSTERS, measure_one, planted


def test_planted_rows_have_their_gap_after_thirty_coordinates() -> None:
    rows = planted(2500, 32)
    graph = build_graph(rows, GraphConfig())
    basis = spectral_basis(graph.weights, EigenConfig(dim=CLUSTERS + 5))
    assert largest_gap(basis.eigenvalues) == CLUSTERS - 1
    assert (planted(2500, 32) == rows).all() and not np.allclose(planted(2500, 32, seed=1), rows)


def test_one_case_reports_a_small_error_of_the_exact_solver() -> None:
    found = measure_one("eigen", 1500, 32, True)
    assert found["subspace_error"] < 1e-8 and found["residual"] <= 1e-6
    assert found["seconds"] > found["graph_seconds"] > 0 and found["peak_growth_mib"] > 0
