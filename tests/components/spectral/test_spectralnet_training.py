"""Training SpectralNet: the span of the exact solver, resumption, and workers that agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from components.files import Folder
from components.graphs.build import SimilarityGraph, build_graph
from components.graphs.config import GraphConfig
from components.graphs.walk import degrees, stationary
from components.spectral.angles import principal_cosines, span_error
from components.spectral.config import EigenConfig, SpectralNetConfig
from components.spectral.eigen import largest_gap, spectral_basis
from components.spectral.spectralnet import make_net, orthogonaliser
from components.spectral.spectralnet_training import SpectralNetFit, _Training, fit_spectralnet
from components.training import Checkpoint, LocalSession

SCRIPT = Path(__file__).parent / "gloo_spectralnet.py"
ROOT = Path(__file__).parents[3]


def _planted(n: int = 900, clusters: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (2.4 * np.eye(8)[rng.integers(0, clusters, n)] + 0.55 * rng.standard_normal((n, 8))).astype(np.float32)


@pytest.fixture(scope="module")
def graph() -> SimilarityGraph:
    return build_graph(_planted(), GraphConfig())


@pytest.fixture(scope="module")
def fit(graph: SimilarityGraph) -> SpectralNetFit:
    config = SpectralNetConfig(dim=5, widths=(64, 64), batch=512, epochs=15)
    return fit_spectralnet(_planted(), graph.weights, config, LocalSession())


def test_both_solvers_span_the_same_subspace_where_the_gap_is_known(
    graph: SimilarityGraph, fit: SpectralNetFit
) -> None:
    basis = spectral_basis(graph.weights, EigenConfig(dim=10))
    assert largest_gap(basis.eigenvalues) == 5
    cosines = principal_cosines(fit.net(_planted()), basis.vectors[:, :5], weights=stationary(graph.weights))
    assert cosines.min() > np.cos(np.radians(15.0))
    wrong = principal_cosines(fit.net(_planted()), basis.vectors[:, 5:], weights=stationary(graph.weights))
    assert wrong.max() < 0.5


def test_columns_are_orthonormal_eigenfunctions_without_the_constant(
    graph: SimilarityGraph, fit: SpectralNetFit
) -> None:
    psi, pi = fit.net(_planted()).astype(np.float64), stationary(graph.weights)
    np.testing.assert_allclose(psi.T @ (pi[:, None] * psi), np.eye(5), atol=1e-4)
    assert np.abs(pi @ psi).max() < 0.1 and fit.trivial > 0.99
    d = degrees(graph.weights)
    quotients = np.einsum("nk,nk->k", psi, graph.weights @ psi) / d.sum()
    np.testing.assert_allclose(quotients, fit.eigenvalues, atol=1e-4)
    assert (psi[np.abs(psi).argmax(0), np.arange(5)] > 0).all()


def test_new_rows_of_the_same_clusters_are_mapped_alike(fit: SpectralNetFit) -> None:
    rows = _planted(1200)
    new = rows[900:]
    own = np.abs(rows[900:]).argmax(1)
    centres = np.stack([fit.net(_planted())[np.abs(_planted()).argmax(1) == c].mean(0) for c in range(6)])
    nearest = np.linalg.norm(fit.net(new)[:, None] - centres[None], axis=2).argmin(1)
    assert (nearest == own).mean() > 0.9


def test_step_is_the_gradient_of_the_constrained_objective(graph: SimilarityGraph) -> None:
    """Loss minus multiplier, V and Lambda held constant, has the gradient of tr((Y'Y)^-1 Y' L Y) by autograd."""
    rng = np.random.default_rng(1)
    training = _Training(
        _planted(), graph.weights, SpectralNetConfig(dim=3, widths=(16,), batch=256), LocalSession(), 0
    )
    anchors = training.walk.anchors(training.batch, rng)
    batches = training.train[training.walk.anchors(training.batch, rng)], training.train[anchors], None
    neighbours = training.train[training.walk.step(anchors, rng)]
    y_other, y_anchor, y_neighbour = training._outputs(batches[0], batches[1], neighbours)
    v = training._orthogonaliser(y_other)
    surrogate = ((y_anchor - y_neighbour) @ v).square().sum(1).mean() / 2
    surrogate = surrogate - training._multiplier(y_other, y_anchor, y_neighbour, v)
    parameters = list(training.net.parameters())
    ours = torch.autograd.grad(surrogate, parameters, retain_graph=True)
    gram = y_other.double().T @ y_other.double() / training.batch
    difference = (y_anchor - y_neighbour).double()
    moment = difference.T @ difference / (2 * training.batch)
    exact = torch.autograd.grad(torch.trace(torch.linalg.solve(gram, moment)), parameters)
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a, b.to(a.dtype), rtol=2e-3, atol=2e-3 * float(b.abs().max()))


class _Cut(LocalSession):
    """Dies after one epoch, as a killed worker would: the checkpoint is on disk, the process is gone."""

    def save(self, checkpoint: Checkpoint, metrics: object) -> None:
        super().save(checkpoint, {})
        raise KeyboardInterrupt


def test_resumed_training_ends_like_an_uninterrupted_one(graph: SimilarityGraph, tmp_path: Path) -> None:
    config = SpectralNetConfig(dim=3, widths=(16,), batch=128, epochs=3)
    whole = fit_spectralnet(_planted(), graph.weights, config, LocalSession(), seed=4)
    folder = Folder.at(tmp_path)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fit_spectralnet(_planted(), graph.weights, config, _Cut(folder), seed=4)
    epochs: list[int] = []
    resumed = fit_spectralnet(
        _planted(), graph.weights, config, LocalSession(folder, lambda e, _: epochs.append(e)), seed=4
    )
    assert epochs == [3]
    assert resumed.losses == whole.losses
    assert (resumed.net(_planted()) == whole.net(_planted())).all()


def test_one_worker_and_two_with_half_the_batch_agree(tmp_path: Path) -> None:
    sys.path.insert(0, str(SCRIPT.parent))
    import gloo_spectralnet

    points = gloo_spectralnet.rows()
    alone = fit_spectralnet(points, build_graph(points, GraphConfig()).weights, gloo_spectralnet.CONFIG, LocalSession())
    out = str(tmp_path / "net")
    command = [sys.executable, str(SCRIPT)]
    meeting = str(tmp_path / "meeting")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    other = subprocess.Popen([*command, "1", "2", meeting, out], env={**os.environ, "PYTHONPATH": paths})
    gloo_spectralnet.main(0, 2, meeting, out)
    assert other.wait(timeout=120) == 0
    for rank in range(2):
        together = np.load(f"{out}.{rank}.npz")
        np.testing.assert_allclose(together["losses"], alone.losses, rtol=1e-4)
        for name, value in alone.net.state()[1].items():
            np.testing.assert_allclose(together[name], value, atol=1e-5 if name != "rotation" else 1e-3, err_msg=name)


def test_gram_of_rank_below_its_size_is_survived() -> None:
    y = torch.randn(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(orthogonaliser(torch.cat([y, y[:, :1]], 1).T @ torch.cat([y, y[:, :1]], 1))).all()
    assert span_error(y.numpy(), y.numpy()) < 1e-12
    assert make_net(3, (4,), 2)[0].weight.shape == (4, 3)
