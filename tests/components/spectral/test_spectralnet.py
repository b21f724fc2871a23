"""SpectralNet's parts: orthogonality, loss, gradient and rotation in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from components.errors import UserError
from components.files import Folder
from components.graphs.build import build_graph
from components.graphs.config import GraphConfig
from components.graphs.walk import WalkSampler, degrees, stationary
from components.spectral.angles import principal_cosines, span_error
from components.spectral.config import EigenConfig, SpectralNetConfig
from components.spectral.eigen import spectral_basis
from components.spectral.spectralnet import SpectralNet, edge_loss, make_net, orthogonaliser, outputs, rotate
from components.transforms import load_transform, save_transform


def _graph(n: int = 200) -> tuple[np.ndarray, sp.csr_matrix]:
    rows = np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)
    return rows, build_graph(rows, GraphConfig(neighbours=8, scale_k=4)).weights


def test_orthogonalised_outputs_are_orthonormal_under_the_stationary_measure() -> None:
    _, w = _graph()
    y = np.random.default_rng(1).standard_normal((200, 6)) * [1, 10, 0.1, 1, 1, 1e-2]
    pi = stationary(w)
    v = orthogonaliser(torch.from_numpy(y.T @ (pi[:, None] * y))).numpy()
    np.testing.assert_allclose((y @ v).T @ (pi[:, None] * (y @ v)), np.eye(6), atol=1e-6)


def test_expected_edge_loss_is_the_trace_of_the_laplacian() -> None:
    """E over edges of the walk of ||y_i - y_j||^2 / 2 = tr(Y^T (D - W) Y) / vol: exactly, and by sampling."""
    _, w = _graph()
    d = degrees(w)
    y = np.random.default_rng(2).standard_normal((200, 5))
    trace = np.trace(y.T @ (d[:, None] * y - w @ y)) / d.sum()
    i, j = w.nonzero()
    exact = np.average(((y[i] - y[j]) ** 2).sum(1) / 2, weights=np.asarray(w[i, j]).ravel())
    np.testing.assert_allclose(exact, trace, rtol=1e-10)
    walk, rng = WalkSampler(w), np.random.default_rng(3)
    anchors = walk.anchors(100_000, rng)
    sampled = edge_loss(torch.from_numpy(y[anchors]), torch.from_numpy(y[walk.step(anchors, rng)]))
    np.testing.assert_allclose(float(sampled), trace, rtol=0.02)


def test_rotation_does_not_depend_on_the_basis_of_the_span() -> None:
    rows, w = _graph()
    y = outputs(make_net(4, (16,), 5), rows, 1.0)
    mixed = y @ np.random.default_rng(4).standard_normal((5, 5))
    one, two = rotate(y, w), rotate(mixed, w)
    np.testing.assert_allclose(mixed @ two.matrix, y @ one.matrix, atol=1e-4)
    np.testing.assert_allclose(two.eigenvalues, one.eigenvalues, atol=1e-6)


def test_rotation_of_a_span_that_holds_eigenvectors_finds_them_and_drops_the_constant() -> None:
    _, w = _graph()
    basis = spectral_basis(w, EigenConfig(dim=4, tolerance=1e-10))
    span = np.column_stack([basis.vectors, np.ones(200)]) @ np.random.default_rng(5).standard_normal((5, 5))
    found = rotate(span, w)
    np.testing.assert_allclose(span @ found.matrix, basis.vectors, atol=1e-4)
    np.testing.assert_allclose(found.eigenvalues, basis.eigenvalues, atol=1e-6)
    assert found.trivial > 1 - 1e-7


def test_one_net_for_one_seed_and_the_same_after_saving(tmp_path: Path) -> None:
    rows, _ = _graph(50)
    net = SpectralNet(make_net(4, (8, 6), 4, seed=3), 0.7, np.random.default_rng(0).standard_normal((4, 3)))
    same = SpectralNet(make_net(4, (8, 6), 4, seed=3), 0.7, net.rotation)
    other = SpectralNet(make_net(4, (8, 6), 4, seed=4), 0.7, net.rotation)
    assert (net(rows) == same(rows)).all() and not np.allclose(net(rows), other(rows))
    save_transform(Folder.at(tmp_path), "net", net)
    loaded = load_transform(Folder.at(tmp_path), "net")
    assert (loaded(rows) == net(rows)).all() and loaded(rows[:0]).shape == (0, 3)


def test_span_error_knows_equal_and_orthogonal_spans() -> None:
    a = np.eye(6)[:, :2]
    assert span_error(a, a @ [[1.0, 2.0], [0.0, -3.0]]) == pytest.approx(0.0, abs=1e-12)
    assert span_error(a, np.eye(6)[:, 2:4]) == pytest.approx(1.0)
    tilted = np.column_stack([np.cos(0.3) * np.eye(6)[0] + np.sin(0.3) * np.eye(6)[3], np.eye(6)[1]])
    np.testing.assert_allclose(principal_cosines(a, tilted), [1.0, np.cos(0.3)])


@pytest.mark.parametrize(
    "wrong", [{"dim": 0}, {"batch": 20}, {"epochs": 0}, {"widths": ()}, {"learning_rate": 0.0}, {"factor": 1.0}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError, match="allowed"):
        SpectralNetConfig(**wrong)  # type: ignore[arg-type]
