"""Balanced entropic plan in NumPy, for callers that need nothing else of torch: importing that takes 600 MiB."""

from __future__ import annotations

import numpy as np

TINY = 1e-300


def balanced_plan(scores: np.ndarray, epsilon: float, *, sweeps: int = 100, tolerance: float = 1e-4) -> np.ndarray:
    """Plan [N, M] of uniform marginals and mass 1 for ``scores`` [N, M] (Cuturi 2013), in the kernel domain.

    A shift by the row maxima lets every row keep its best match however small ``epsilon`` is.
    Columns are exact; it stops after ``sweeps``, or when the rows' total error is below ``tolerance``.
    """
    kernel = np.exp((scores - scores.max(axis=1, keepdims=True)) / epsilon, dtype=np.float64)
    row, column = 1 / len(scores), 1 / scores.shape[1]
    v = np.full(scores.shape[1], 1.0)
    u = row / (kernel @ v)
    for sweep in range(sweeps):
        v = column / np.maximum(kernel.T @ u, TINY)
        mass = kernel @ v
        if sweep % 10 == 9 and np.abs(u * mass - row).sum() < tolerance:
            break
        u = row / np.maximum(mass, TINY)
    v = column / np.maximum(kernel.T @ u, TINY)
    kernel *= u[:, None]
    kernel *= v
    return np.asarray(kernel)
