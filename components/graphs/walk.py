"""Random-walk quantities of a symmetric weight matrix W [N, N]."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def degrees(weights: sp.csr_matrix) -> np.ndarray:
    """d_i = sum_j W_ij. [N] float64."""
    return np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()


def stationary(weights: sp.csr_matrix) -> np.ndarray:
    """pi = d / sum(d), the walk's stationary distribution. [N], sums to 1."""
    d = degrees(weights)
    return d / d.sum()


def symmetric_operator(weights: sp.csr_matrix) -> sp.csr_matrix:
    """S = D^-1/2 W D^-1/2: symmetric, same eigenvalues as P. [N, N]."""
    half = sp.diags(1.0 / np.sqrt(degrees(weights)))
    return (half @ weights @ half).tocsr()


def transition(weights: sp.csr_matrix) -> sp.csr_matrix:
    """P = D^-1 W: rows sum to 1. [N, N]."""
    return (sp.diags(1.0 / degrees(weights)) @ weights).tocsr()


class WalkSampler:
    """Draws the walk's edges: anchors i with probability d_i / vol, neighbours j with P(i, j).

    The walk is reversible, so both ends of a drawn edge follow the stationary distribution.
    """

    def __init__(self, weights: sp.csr_matrix) -> None:
        self.num_rows = int(weights.shape[0])
        self._targets = np.asarray(weights.indices, dtype=np.int64)
        self._starts = np.asarray(weights.indptr, dtype=np.int64)
        self._mass = np.concatenate([[0.0], np.cumsum(weights.data, dtype=np.float64)])
        self._row_mass = self._mass[self._starts]

    def anchors(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Rows drawn by their degree. [count] int64."""
        drawn = np.searchsorted(self._row_mass, rng.random(count) * self._row_mass[-1], side="right") - 1
        return np.minimum(drawn, self.num_rows - 1)

    def step(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One step of the walk from each of ``rows`` (which must have edges). [len(rows)] int64."""
        low, high = self._row_mass[rows], self._row_mass[rows + 1]
        edge = np.searchsorted(self._mass, low + rng.random(len(rows)) * (high - low), side="right") - 1
        edge = np.clip(edge, self._starts[rows], self._starts[rows + 1] - 1)
        return self._targets[edge]
