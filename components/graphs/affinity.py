"""Gaussian weights on neighbour edges. ``N`` rows, ``k`` neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from components.errors import UserError
from components.graphs.config import Scale
from components.graphs.knn import Neighbours
from components.graphs.walk import degrees


@dataclass(frozen=True)
class Kernel:
    """exp(-d^2 / (s_i s_j)); with a global scale all ``scales`` [N] are the same.

    Self-tuned scales: Zelnik-Manor & Perona, NIPS 2004. Global: the median distance to the ``scale_k``-th neighbour.
    """

    scale: Scale
    scale_k: int
    scales: np.ndarray

    @classmethod
    def fit(cls, found: Neighbours, *, scale: Scale, scale_k: int) -> Kernel:
        """Scales from the neighbours of the fit rows. Raises UserError if all distances are zero."""
        own = found.distances[:, scale_k - 1].astype(np.float64)
        finite = own[np.isfinite(own) & (own > 0)]
        if not len(finite):
            raise UserError("more than half of the rows are equal to their neighbours", do="remove duplicate rows")
        median = float(np.median(finite))
        if scale == "global":
            return cls(scale, scale_k, np.full(len(own), median))
        return cls(scale, scale_k, np.maximum(own, 0.1 * median))  # duplicates have distance 0

    def query_scales(self, distances: np.ndarray) -> np.ndarray:
        """Scales of new rows from their distances [Q, k] to the fit rows, nearest first."""
        if self.scale == "global":
            return np.full(len(distances), self.scales[0])
        low = float(self.scales.min())
        return np.maximum(distances[:, self.scale_k - 1].astype(np.float64), low)

    def exponent(self, distances: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """d^2 / (s_left s_right), elementwise; the weight is exp of its negative."""
        return distances.astype(np.float64) ** 2 / (left * right)


def affinity(found: Neighbours, kernel: Kernel) -> sp.csr_matrix:
    """W = (A + A^T) / 2 with A_ij = kernel on the edges i -> its k neighbours; no self loops. [N, N] float64."""
    num_rows, k = found.indices.shape
    rows = np.repeat(np.arange(num_rows), k)
    cols, distances = found.indices.ravel(), found.distances.ravel()
    kept = cols >= 0
    rows, cols, distances = rows[kept], cols[kept], distances[kept]
    weights = np.exp(-kernel.exponent(distances, kernel.scales[rows], kernel.scales[cols]))
    a = sp.csr_matrix((weights, (rows, cols)), shape=(num_rows, num_rows))
    w = ((a + a.T) * 0.5).tocsr()
    w.eliminate_zeros()
    w.sort_indices()
    return w


def density_corrected(weights: sp.csr_matrix, alpha: float) -> tuple[sp.csr_matrix, np.ndarray]:
    """W_ij / (d_i d_j)^alpha and the factors d_i^-alpha [N] (Coifman & Lafon 2006, eq. 3.1)."""
    factors = np.power(np.maximum(degrees(weights), 1e-300), -alpha)
    if alpha == 0.0:
        return weights, factors
    scale = sp.diags(factors)
    return (scale @ weights @ scale).tocsr(), factors
