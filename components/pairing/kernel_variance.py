"""Greedy kernel variance: the row whose label would lower the posterior variance of the targets most.

Gaussian process with covariance k(s, t) = exp(b (cos(s, t) - 1)) and noise l. Choosing s lowers the variance of t by
C(s, t)^2 / (C(s, s) + l), where C is the covariance given all rows chosen before (Krause, Singh, Guestrin 2008, with
the targets' mean variance as the objective). Not submodular in general: every gain is computed for every pick.
"""

from __future__ import annotations

import numpy as np

from components.pairing.config import CoverageConfig
from components.pairing.views import View, kernel, kernel_rows, target_weights

BLOCK_VALUES = 4_000_000


class KernelVariance:
    """The objective over the candidates of one view. Memory 4 C (T + D) bytes."""

    submodular = False

    def __init__(self, view: View, config: CoverageConfig) -> None:
        targets = view.rows.unit(view.targets)
        self.size = len(view.candidates)
        self._config = config
        self._weights = target_weights(view, config)
        self._rows = view.rows.unit(view.candidates)
        self._covariance = kernel_rows(view, view.candidates, targets, config.sharpness)
        self._explained = self._condition(view.rows.unit(view.known), targets)
        self._variance = 1 - np.square(self._explained).sum(axis=1, dtype=np.float64)

    def gains(self, rows: np.ndarray) -> np.ndarray:
        step = max(1, BLOCK_VALUES // len(self._weights))
        sums = [
            np.square(self._covariance[rows[start : start + step]]) @ self._weights
            for start in range(0, len(rows), step)
        ]
        noise = np.maximum(self._variance[rows], 0) + self._config.ridge
        return np.asarray(np.concatenate(sums).astype(np.float64) / noise if sums else np.zeros(0))

    def add(self, row: int) -> None:
        own = (
            kernel(self._rows, self._rows[[row]], self._config.sharpness)[:, 0] - self._explained @ self._explained[row]
        )
        noise = max(float(self._variance[row]), 0.0) + self._config.ridge
        seen = self._covariance[row] / noise
        step = max(1, BLOCK_VALUES // len(seen))
        for start in range(0, self.size, step):
            self._covariance[start : start + step] -= np.outer(own[start : start + step], seen)
        self._explained = np.column_stack([self._explained, own / np.sqrt(noise)])
        self._variance -= np.square(own, dtype=np.float64) / noise

    def _condition(self, known: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Take what the known rows [W, D] explain out of the covariances. Returns L⁻¹ k(known, candidates)' [C, W]."""
        from scipy.linalg import cholesky, solve_triangular

        if not len(known):
            return np.zeros((self.size, 0), np.float32)
        b = self._config.sharpness
        factor = cholesky(
            kernel(known, known, b).astype(np.float64) + self._config.ridge * np.eye(len(known)), lower=True
        )
        mine = solve_triangular(factor, kernel(known, self._rows, b), lower=True).T.astype(np.float32)
        theirs = solve_triangular(factor, kernel(known, targets, b), lower=True).astype(np.float32)
        step = max(1, BLOCK_VALUES // len(targets))
        for start in range(0, self.size, step):
            self._covariance[start : start + step] -= mine[start : start + step] @ theirs
        return mine
