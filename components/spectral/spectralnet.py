"""SpectralNet: a net whose orthogonalised outputs span the leading eigenfunctions of the random walk.

Shaham et al., ICLR 2018 (arXiv 1801.01587), in the form SUE uses (arXiv 2505.21524), for the random-walk Laplacian:
with anchors i drawn by degree and neighbours j by P(i, .), minimise E ||y_i - y_j||^2 / 2 subject to E[y y^T] = I.
Letters: ``B`` rows of a batch, ``D`` inputs, ``K`` coordinates (the net has K + 1 outputs), ``N`` fit rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from components.graphs.walk import degrees
from components.spectral.eigen import signs
from components.transforms import Spec, Tensors, Transform

JITTER = 1e-12
CHUNK = 8192


class SpectralNet(Transform):
    """The trained net followed by the rotation to eigenfunctions. [N, D] -> [N, K] float32."""

    kind = "spectralnet"

    def __init__(self, net: nn.Sequential, scale: float, rotation: np.ndarray) -> None:
        self.net, self.scale, self.rotation = net, float(scale), rotation.astype(np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (outputs(self.net, x, self.scale) @ self.rotation.astype(np.float64)).astype(np.float32)

    def state(self) -> tuple[Spec, Tensors]:
        tensors = {name: value.detach().cpu().numpy() for name, value in self.net.state_dict().items()}
        widths = [layer.out_features for layer in self.net if isinstance(layer, nn.Linear)]
        return {"widths": widths, "scale": self.scale}, {"rotation": self.rotation, **tensors}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> SpectralNet:
        weights = {n: torch.from_numpy(np.array(v)) for n, v in tensors.items() if n != "rotation"}
        net = make_net(int(weights["0.weight"].shape[1]), spec["widths"][:-1], spec["widths"][-1])
        net.load_state_dict(weights)
        return cls(net, spec["scale"], tensors["rotation"])


@dataclass(frozen=True)
class Rotation:
    """From net outputs to eigenfunctions: see :func:`rotate`.

    Attributes:
        matrix: V Q. [K + 1, K]
        eigenvalues: 1 - (ascending eigenvalues of the Laplacian in the span). [K]
        trivial: |mean| of the dropped column under the stationary distribution; 1 if it is exactly the constant.
    """

    matrix: np.ndarray
    eigenvalues: np.ndarray
    trivial: float


def make_net(num_inputs: int, widths: Sequence[int], num_outputs: int, *, seed: int = 0) -> nn.Sequential:
    """Linear + LeakyReLU blocks and a tanh head; PyTorch's default initialisation, drawn from ``seed`` alone."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(num_inputs, width), nn.LeakyReLU()]
        num_inputs = width
    net = nn.Sequential(*layers, nn.Linear(num_inputs, num_outputs), nn.Tanh())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.uniform_(-bound, bound, generator=generator)
    return net


def orthogonaliser(gram: torch.Tensor) -> torch.Tensor:
    """V with V^T G V = I for the Gram matrix G = E[y y^T]: the transposed inverse of its Cholesky factor. float64."""
    g = gram.double()
    eye = torch.eye(len(g), dtype=torch.float64, device=g.device)
    lower = torch.linalg.cholesky(g + JITTER * g.diagonal().mean() * eye)
    return torch.linalg.solve_triangular(lower, eye, upper=False).T


def edge_loss(y_anchor: torch.Tensor, y_neighbour: torch.Tensor) -> torch.Tensor:
    """Mean of ||y_i - y_j||^2 / 2 over edges [B, K + 1] drawn by the walk: an estimate of tr(Y^T (D - W) Y) / vol."""
    return (y_anchor - y_neighbour).square().sum(dim=1).mean() / 2


@torch.no_grad()
def outputs(net: nn.Module, rows: np.ndarray, scale: float) -> np.ndarray:
    """Net outputs of all rows, in chunks. [N, D] -> [N, K + 1] float64"""
    device = next(net.parameters()).device
    parts = [
        net(torch.from_numpy(np.ascontiguousarray(rows[s : s + CHUNK], np.float32)).to(device) * scale).cpu().numpy()
        for s in range(0, max(1, len(rows)), CHUNK)
    ]
    return np.concatenate(parts).astype(np.float64)


def rotate(y: np.ndarray, weights: sp.csr_matrix) -> Rotation:
    """Orthogonalise the outputs ``y`` [N, K + 1] on all rows and rotate them to eigenfunctions of the walk.

    V from G = Y^T Pi Y; Lambda = E^T (D - W) E / vol for E = Y V, eigenvectors Q by ascending eigenvalue; the column
    nearest to the constant function is dropped; signs as everywhere (largest |entry| positive).
    """
    d = degrees(weights)
    pi = d / d.sum()
    v = orthogonaliser(torch.from_numpy(y.T @ (pi[:, None] * y))).numpy()
    e = y @ v
    laplacian = e.T @ (d[:, None] * e - weights @ e) / d.sum()
    values, q = np.linalg.eigh(0.5 * (laplacian + laplacian.T))
    means = np.abs(pi @ e @ q)
    keep = np.delete(np.arange(len(values)), means.argmax())
    matrix = v @ q[:, keep]
    return Rotation(matrix * signs(y @ matrix), 1.0 - values[keep], float(means.max()))
