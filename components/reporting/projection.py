"""The shared space seen in two dimensions, and how well the two sides mix in it.

Letters: ``N1, N2`` rows of the two sides, ``K`` dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.reporting.data import SharedSpace


@dataclass(frozen=True)
class Projection:
    """``left`` [N1, 2] and ``right`` [N2, 2] on the first two principal components; ``explained`` share of variance."""

    left: np.ndarray
    right: np.ndarray
    explained: tuple[float, float]


def project(space: SharedSpace) -> Projection:
    """PCA of both sides' rows together. The sign of a component is that of its largest entry: same in, same out."""
    both = np.concatenate([space.left, space.right]).astype(np.float64)
    centred = both - both.mean(0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    share = spread**2 / max(float((spread**2).sum()), 1e-30)
    flat = np.zeros((len(both), 2))
    flat[:, : len(axes[:2])] = centred @ axes[:2].T
    first, second = (*share[:2].tolist(), 0.0)[:2]
    return Projection(flat[: len(space.left)], flat[len(space.left) :], (first, second))


def mixing_score(space: SharedSpace, *, neighbours: int = 10, max_rows: int = 1000) -> float:
    """How evenly the two sides mix in all ``K`` dimensions: 1 = like one cloud, 0 = two islands.

    The share of other-side rows among each row's nearest neighbours by dot product, divided by the share expected
    under perfect mixing, with the same number of rows (at most ``max_rows``, evenly spaced) of each side.
    """
    size = min(len(space.left), len(space.right), max_rows)
    sides = [rows[np.linspace(0, len(rows) - 1, size).astype(int)] for rows in (space.left, space.right)]
    both = np.concatenate(sides).astype(np.float64)
    other = np.repeat([0, 1], size)
    scores = both @ both.T
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, : min(neighbours, 2 * size - 1)]
    share = float((other[nearest] != other[:, None]).mean())
    return share / (size / (2 * size - 1))
