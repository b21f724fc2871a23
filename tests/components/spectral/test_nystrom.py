"""Out-of-sample coordinates: fit rows get their own back, new rows those of a graph with them in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.errors import UserError
from components.files import Folder
from components.graphs.build import build_graph
from components.graphs.config import GraphConfig
from components.graphs.walk import transition
from components.spectral.angles import principal_cosines
from components.spectral.config import EigenConfig
from components.spectral.eigen import spectral_basis
from components.spectral.nystrom import Nystrom
from components.transforms import load_transform, save_transform


def _rows(n: int = 600, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (3.0 * np.eye(5)[rng.integers(0, 5, n)] + rng.standard_normal((n, 5))).astype(np.float32)


def _fit(rows: np.ndarray, **settings: object) -> tuple[Nystrom, np.ndarray]:
    config = GraphConfig(**settings)  # type: ignore[arg-type]
    graph = build_graph(rows, config)
    basis = spectral_basis(graph.weights, EigenConfig(dim=6, tolerance=1e-9))
    return Nystrom.fit(rows, graph, basis, config), basis.vectors


@pytest.mark.parametrize("settings", [{"scale": "local"}, {"scale": "global"}, {"density": 1.0}])
def test_fit_rows_get_their_own_coordinates_back(settings: dict[str, object]) -> None:
    rows = _rows()
    mapping, psi = _fit(rows, **settings)
    np.testing.assert_allclose(mapping(rows), psi, atol=2e-4)


def test_weights_of_fit_rows_are_the_rows_of_the_walk() -> None:
    rows = _rows(300)
    config = GraphConfig()
    graph = build_graph(rows, config)
    mapping = Nystrom.fit(rows, graph, spectral_basis(graph.weights, EigenConfig(dim=3)), config)
    np.testing.assert_allclose(mapping.weights(rows).toarray(), transition(graph.weights).toarray(), atol=1e-5)


def test_new_rows_land_where_the_whole_graph_puts_them() -> None:
    rows = _rows(1500)
    mapping, _ = _fit(rows[:1200])
    _, whole = _fit(rows)
    cosines = principal_cosines(mapping(rows[1200:])[:, :4], whole[1200:, :4])  # five clusters: a gap after four
    assert cosines.min() > 0.95


def test_rows_are_mapped_independently_and_far_ones_stay_finite() -> None:
    mapping, _ = _fit(_rows(), scale="global")
    new = np.concatenate([_rows(40, seed=1), 1e3 * np.ones((1, 5), np.float32)])
    together = mapping(new)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(np.concatenate([mapping(row[None]) for row in new]), together, atol=1e-4)
    assert mapping(new[:0]).shape == (0, 6)


def test_cells_give_nearly_the_same_map_as_all_rows() -> None:
    rows = _rows(1500)
    exact, _ = _fit(rows)
    cells = Nystrom({**exact.spec, "exact": False}, exact.tensors)
    new = _rows(200, seed=2)
    assert np.corrcoef(cells(new).ravel(), exact(new).ravel())[0, 1] > 0.99


def test_saved_and_loaded_it_is_the_same_map(tmp_path: Path) -> None:
    mapping, _ = _fit(_rows())
    save_transform(Folder.at(tmp_path), "map", mapping)
    new = _rows(30, seed=3)
    assert (load_transform(Folder.at(tmp_path), "map")(new) == mapping(new)).all()


def test_eigenvalues_too_small_to_divide_by_are_refused() -> None:
    rows = _rows(40)
    graph = build_graph(rows, GraphConfig())
    basis = spectral_basis(graph.weights, EigenConfig(dim=35))
    with pytest.raises(UserError, match=r"^spectral\.dim: only"):
        Nystrom.fit(rows, graph, basis, GraphConfig())
