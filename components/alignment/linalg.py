"""Decompositions in float64 with fixed signs, so that equal input gives equal maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ThinSVD:
    """``u @ diag(s) @ vt``; ``u`` [N, k], ``s`` [k] descending, ``vt`` [k, D], ``k = min(N, D)`` or the rank."""

    u: np.ndarray
    s: np.ndarray
    vt: np.ndarray


def thin_svd(x: np.ndarray, *, rank_tolerance: float = 1e-10) -> ThinSVD:
    """SVD of ``x`` [N, D] without its null space.

    Singular values below ``rank_tolerance`` times the largest are dropped: their vectors are arbitrary. Each left
    singular vector's largest |entry| (the first of equals) is positive, which fixes the sign of both sides.
    """
    x = np.asarray(x, dtype=np.float64)
    try:
        u, s, vt = np.linalg.svd(x, full_matrices=False)
    except np.linalg.LinAlgError:  # divide and conquer may fail on finite matrices; the slower driver does not
        from scipy.linalg import svd

        u, s, vt = svd(x, full_matrices=False, lapack_driver="gesvd")
    keep = s > rank_tolerance * s[0] if len(s) and s[0] > 0 else np.zeros(len(s), dtype=bool)
    u, s, vt = u[:, keep], s[keep], vt[keep]
    signs = column_signs(u)
    return ThinSVD(u * signs, s, vt * signs[:, None])


def column_signs(u: np.ndarray) -> np.ndarray:
    """+1 or -1 per column of ``u`` [N, k] such that the entry of largest size becomes positive. [k]"""
    if u.shape[1] == 0:
        return np.ones(0)
    # Rounding makes a near-tie's winner a matter of luck; the first of those within 1e-9 is always the same one.
    size = np.abs(u)
    first = np.argmax(size >= size.max(axis=0) * (1 - 1e-9), axis=0)
    return np.where(u[first, np.arange(u.shape[1])] < 0, -1.0, 1.0)


def mean_square_norm(x: np.ndarray) -> float:
    """Mean of the squared row lengths of ``x`` [N, D]."""
    return float(np.einsum("nd,nd->", x, x) / max(len(x), 1))
