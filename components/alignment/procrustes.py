"""Orthogonal Procrustes: the rotation of least variance (Schönemann 1966).

W = polar(X̂ᵀŶ) = UVᵀ for X̂ᵀŶ = UΣVᵀ. The scores cos(xW, y) and cos(xU, yV) are equal, and the second form treats
both sides alike, whatever their dimensions, and leaves out directions that no pair speaks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.alignment.checks import check_fit
from components.alignment.linalg import thin_svd
from components.alignment.protocol import Alignment, Pairs
from components.checks import check_range
from components.transforms import Chain, Linear, UnitRows


@dataclass(frozen=True, kw_only=True)
class Procrustes:
    """Config of orthogonal Procrustes.

    Attributes:
        dim: shared dimensions; None keeps the rank of X̂ᵀŶ, at most min(P, D1, D2).
    """

    dim: int | None = None

    def __post_init__(self) -> None:
        check_range("dim", self.dim, 1, optional=True)

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Fit on the pairs alone; rows are taken as centred (the standardiser does it on all rows).

        Raises:
            UserError: fewer pairs than ``dim`` (or than 2), non-finite or all-equal rows.
        """
        check_fit(left, right, pairs, needed=max(2, self.dim or 0), why=f"{self.dim or 'any'} Procrustes dimensions")
        cross = pairs.left.astype(np.float64).T @ pairs.right.astype(np.float64)
        svd = thin_svd(cross, rank_tolerance=1e-7)  # the cross product of float32 rows has no more digits
        kept = min(self.dim or len(svd.s), len(svd.s))
        return Alignment(
            project(svd.u[:, :kept]),
            project(svd.vt[:kept].T),
            {"rank": kept, "singular_values": [float(s) for s in svd.s[:kept]]},
        )


def project(axes: np.ndarray) -> Chain:
    """Unit rows of the coordinates on ``axes`` [D, K]."""
    return Chain([Linear(np.zeros(len(axes)), axes), UnitRows()])
