"""What a choice looks at: candidates and the rows that they are to stand for.

Letters: ``C`` candidates, ``T`` targets, ``D`` dimensions, ``W`` known rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from components.pairing.config import CoverageConfig
from components.pairing.rows import CHUNK, Rows

# Density is the mean similarity to a sample of the targets under a kernel this sharp (in units of cosine).
DENSITY_SHARPNESS, DENSITY_ROWS = 6.0, 1024


@dataclass(frozen=True)
class View:
    """Candidates, targets and what is known of one corpus.

    Attributes:
        rows: the corpus: one side's rows, or pairs.
        candidates: positions of the candidates' rows. [C]
        targets: positions of the rows to stand for. [T]
        known: positions of rows that are covered from the start. [W]
        weights: of the targets, not negative, with the sum 1; None: all the same. [T]
    """

    rows: Rows
    candidates: np.ndarray
    targets: np.ndarray
    known: np.ndarray
    weights: np.ndarray | None = None

    def take(self, candidates: np.ndarray) -> View:
        """The view of some of the candidates."""
        return replace(self, candidates=self.candidates[candidates])

    def with_targets(self, first: int, num: int) -> View:
        """The view with ``num`` of the targets, from number ``first`` on and around the end."""
        if len(self.targets) <= num:
            return self
        kept = (first + np.arange(num)) % len(self.targets)
        weights = None if self.weights is None else self.weights[kept] / self.weights[kept].sum()
        return replace(self, targets=self.targets[kept], weights=weights)


def kernel(a: np.ndarray, b: np.ndarray, sharpness: float) -> np.ndarray:
    """exp(sharpness (a b' - 1)) of unit rows, float32 [len(a), len(b)]."""
    similar = a @ b.T
    similar -= 1
    similar *= sharpness
    return np.exp(similar, out=similar)


def kernel_rows(view: View, positions: np.ndarray, targets: np.ndarray, sharpness: float) -> np.ndarray:
    """Similarities of the rows at ``positions`` to unit rows ``targets`` [T, D]. float32 [len(positions), T]"""
    block = np.empty((len(positions), len(targets)), np.float32)
    for start in range(0, len(positions), CHUNK):
        rows = view.rows.unit(positions[start : start + CHUNK])
        block[start : start + CHUNK] = kernel(rows, targets, sharpness)
    return block


def target_weights(view: View, config: CoverageConfig) -> np.ndarray:
    """Weight of each target: those given times density ** config.density, with the sum 1. float32 [T]"""
    weights = np.ones(len(view.targets)) if view.weights is None else view.weights.astype(np.float64)
    if config.density:
        sample = view.rows.unit(view.targets[:DENSITY_ROWS])
        density = [
            kernel(view.rows.unit(view.targets[start : start + CHUNK]), sample, DENSITY_SHARPNESS).mean(axis=1)
            for start in range(0, len(view.targets), CHUNK)
        ]
        weights = weights * np.concatenate(density).astype(np.float64) ** config.density
    return np.asarray(weights / weights.sum(), dtype=np.float32)
