"""Out-of-sample extension of diffusion eigenvectors (Nystroem): psi(q) = 1/lambda sum_i p(q, i) psi(i).

The weight of a new row q to a fit row i is the one that the graph would have given it: half from q -> i if i is among
q's k neighbours, half from i -> q if q is nearer to i than i's own last neighbour. A fit row therefore gets back its
own coordinates (unless it carries a bridge between parts). ``Q`` queries, ``N`` fit rows, ``K`` coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from components.errors import UserError
from components.graphs.affinity import Kernel
from components.graphs.build import SimilarityGraph
from components.graphs.config import GraphConfig, Scale
from components.graphs.knn import NeighbourIndex, Neighbours
from components.spectral.eigen import SpectralBasis
from components.transforms import Spec, Tensors, Transform

MIN_EIGENVALUE = 1e-3
QUERY_CHUNK = 256
# With many fit rows, those whose neighbourhood a query may belong to are looked for among its CANDIDATES * k nearest.
CANDIDATES = 6


class Nystrom(Transform):
    """Maps rows [Q, D] to spectral coordinates [Q, K] float32."""

    kind = "nystrom"

    def __init__(self, spec: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
        self.spec, self.tensors = dict(spec), dict(tensors)
        self.kernel = Kernel(cast(Scale, spec["scale"]), int(spec["scale_k"]), tensors["scales"].astype(np.float64))
        self._coordinates = tensors["psi"] / tensors["eigenvalues"]
        self._index: NeighbourIndex | None = None

    @classmethod
    def fit(cls, rows: np.ndarray, graph: SimilarityGraph, basis: SpectralBasis, config: GraphConfig) -> Nystrom:
        """From the rows [N, D] that ``graph`` was built of.

        Raises:
            UserError: an eigenvalue too small to divide by.
        """
        usable = int((basis.eigenvalues > MIN_EIGENVALUE).sum())
        if usable < len(basis.eigenvalues):
            raise UserError(
                f"only {usable} eigenvalues of the graph are above {MIN_EIGENVALUE}",
                where="spectral.dim",
                do=f"allowed for these rows: 1 to {usable}",
            )
        spec = {
            "neighbours": config.neighbours,
            "scale": graph.kernel.scale,
            "scale_k": graph.kernel.scale_k,
            "exact": len(rows) < config.exact_below,
        }
        tensors = {
            "rows": rows[graph.rows].astype(np.float32),
            "scales": graph.kernel.scales,
            "radii": graph.radii.astype(np.float32),
            "density": graph.density,
            "psi": basis.vectors.astype(np.float32),
            "eigenvalues": basis.eigenvalues.astype(np.float32),
        }
        return cls(spec, tensors)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        chunks = [self._map(x[start : start + QUERY_CHUNK]) for start in range(0, len(x), QUERY_CHUNK)]
        return np.concatenate(chunks) if chunks else np.zeros((0, self._coordinates.shape[1]), np.float32)

    def weights(self, x: np.ndarray) -> sp.csr_matrix:
        """p(q, i): rows sum to 1. [Q, N]"""
        x = np.ascontiguousarray(x, dtype=np.float32)
        forward, twin = self._forward(x)
        k = forward.indices.shape[1]
        back_rows, back_cols, back_distances = self._backward(x, twin)
        rows = np.concatenate([np.repeat(np.arange(len(x)), k), back_rows])
        cols = np.concatenate([forward.indices.ravel(), back_cols])
        distances = np.concatenate([forward.distances.ravel(), back_distances])
        own = self.kernel.query_scales(forward.distances)
        exponent = self.kernel.exponent(distances, own[rows], self.kernel.scales[cols])
        nearest = np.full(len(x), np.inf)
        np.minimum.at(nearest, rows, exponent)  # cancels in p; keeps far queries from 0 / 0
        weight = np.exp(nearest[rows] - exponent) * self.tensors["density"][cols]
        w = sp.csr_matrix((weight, (rows, cols)), shape=(len(x), len(self._coordinates)))
        return (sp.diags(1.0 / np.asarray(w.sum(axis=1)).ravel()) @ w).tocsr()

    def state(self) -> tuple[Spec, Tensors]:
        return dict(self.spec), dict(self.tensors)

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Nystrom:
        return cls(spec, tensors)

    def _map(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.weights(x) @ self._coordinates, dtype=np.float32)

    def _forward(self, x: np.ndarray) -> tuple[Neighbours, np.ndarray]:
        """The k nearest fit rows of each query other than its twin, and the twin: an equal fit row, or -1. [Q]"""
        if self._index is None:
            self._index = NeighbourIndex(self.tensors["rows"], exact=self.spec["exact"])
        found = self._index.search(x, self.spec["neighbours"] + 1)
        twin = np.where(found.distances[:, 0] == 0.0, found.indices[:, 0], -1)
        keep = np.ones(found.indices.shape, bool)
        keep[np.arange(len(x)), np.where(twin >= 0, 0, -1)] = False
        shape = (len(x), found.indices.shape[1] - 1)
        return Neighbours(found.indices[keep].reshape(shape), found.distances[keep].reshape(shape)), twin

    def _backward(self, x: np.ndarray, twin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Edges (query, fit row, distance) where the query is within the fit row's own neighbourhood."""
        near = self._all_near(x) if self.spec["exact"] else self._candidates(x)
        rows, cols = near
        distances = np.linalg.norm(x[rows] - self.tensors["rows"][cols], axis=1)
        kept = (distances <= self.tensors["radii"][cols] * (1.0 + 1e-6)) & (cols != twin[rows])
        return rows[kept], cols[kept], distances[kept]

    def _all_near(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fit = self.tensors["rows"]
        squared = np.einsum("qd,qd->q", x, x)[:, None] + np.einsum("nd,nd->n", fit, fit)[None] - 2.0 * (x @ fit.T)
        slack = 1e-5 * float(np.abs(squared).max(initial=0.0))  # of the float32 product; the caller checks exactly
        rows, columns = np.nonzero(squared <= self.tensors["radii"][None] ** 2 + slack)
        return rows, columns

    def _candidates(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self._index is not None
        found = self._index.search(x, CANDIDATES * self.spec["neighbours"])
        rows, columns = np.nonzero(found.indices >= 0)
        return rows, found.indices[rows, columns]
