"""Distance between the spans of two bases. ``N`` rows, ``K`` columns."""

from __future__ import annotations

import numpy as np


def principal_cosines(a: np.ndarray, b: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Cosines of the principal angles between the spans of ``a`` and ``b`` [N, K], descending.

    With ``weights`` [N] (the stationary distribution) angles are those of functions under that measure.
    """
    root = 1.0 if weights is None else np.sqrt(weights)[:, None]
    qa, qb = np.linalg.qr(a * root)[0], np.linalg.qr(b * root)[0]
    return np.clip(np.linalg.svd(qa.T @ qb, compute_uv=False), 0.0, 1.0)


def span_error(a: np.ndarray, b: np.ndarray, *, weights: np.ndarray | None = None) -> float:
    """1 - mean squared cosine of the principal angles: 0 for equal spans, 1 for orthogonal ones."""
    return float(1.0 - np.mean(principal_cosines(a, b, weights=weights) ** 2))
