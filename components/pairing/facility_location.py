"""Facility location: every row of the corpus counts the similarity to the nearest chosen row.

f(S) = sum_t w_t max_{s in S} k(s, t), with k(s, t) = exp(b (cos(s, t) - 1)). Monotone and submodular.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from components.pairing.config import CoverageConfig
from components.pairing.views import View, kernel_rows, target_weights

BLOCK_VALUES = 4_000_000


class FacilityLocation:
    """The objective over the candidates of one view; holds their similarities to the targets, 4 C T bytes."""

    submodular = True

    def __init__(self, view: View, config: CoverageConfig) -> None:
        targets, weights = view.rows.unit(view.targets), target_weights(view, config)
        self.size = len(view.candidates)
        # columns times their weight: max and sum then need no further product
        self._similar = kernel_rows(view, view.candidates, targets, config.sharpness)
        self._similar *= weights
        self._covered = np.zeros(len(targets), np.float32)
        if len(view.known):
            self._covered = kernel_rows(view, view.known, targets, config.sharpness).max(axis=0) * weights

    def gains(self, rows: np.ndarray) -> np.ndarray:
        gains = np.empty(len(rows), np.float64)
        for block in _blocks(len(rows), len(self._covered)):
            more = self._similar[rows[block]]
            more -= self._covered
            gains[block] = np.maximum(more, 0, out=more).sum(axis=1)
        return gains

    def add(self, row: int) -> None:
        np.maximum(self._covered, self._similar[row], out=self._covered)


def coverage_curve(view: View, chosen: np.ndarray, config: CoverageConfig) -> np.ndarray:
    """Mean over the targets of the similarity to the nearest known or chosen row: before the first pick and after
    each. float64 [len(chosen) + 1]"""
    targets = view.rows.unit(view.targets)
    covered = np.zeros(len(targets), np.float32)
    if len(view.known):
        covered = kernel_rows(view, view.known, targets, config.sharpness).max(axis=0)
    curve = [float(covered.mean(dtype=np.float64))]
    for position in chosen:
        covered = np.maximum(covered, kernel_rows(view, np.array([position]), targets, config.sharpness)[0])
        curve.append(float(covered.mean(dtype=np.float64)))
    return np.array(curve)


def _blocks(num_rows: int, num_columns: int) -> Iterator[slice]:
    step = max(1, BLOCK_VALUES // max(num_columns, 1))
    return (slice(start, start + step) for start in range(0, num_rows, step))
