"""Linear ridge regression both ways: the simplest map there is, and the best on nearly linear relations.

W = X̂ᵀ(X̂X̂ᵀ + ηI)⁻¹Ŷ and back; score cos(xW, y) + cos(x, yW'). The dual form solves a P x P system whatever the number
of dimensions. Rows are taken as centred (the standardiser does it on all rows) and used at unit length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment.linalg import thin_svd
from components.alignment.protocol import Alignment, Pairs, both_ways
from components.alignment.tuned import Family, TunedAligner, Unpaired, raw_family
from components.checks import check_range
from components.transforms import Chain, Linear, UnitRows, unit_rows

RIDGES = (0.5, 0.1, 0.02, 2.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class RidgeMap(TunedAligner):
    """Config of the ridge map.

    Attributes:
        ridges: candidates for η, added to the squared singular values of the unit pair rows; several are chosen from
            by cross-validation.
        seed: of the folds.
    """

    name: ClassVar[str] = "the ridge map"
    ridges: tuple[float, ...] = RIDGES
    seed: int = 0

    def __post_init__(self) -> None:
        for ridge in self.ridges:
            check_range("ridges", ridge, 0, above=True)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        return raw_family(dims, self.ridges, ("ridge",), fit_path)


def fit_path(pairs: Pairs) -> Callable[[float], Alignment]:
    """Decompose each side once; the result builds the alignment of any ridge."""
    left, right = unit_rows(pairs.left), unit_rows(pairs.right)
    there, back = _solver(left, right), _solver(right, left)

    def build(ridge: float) -> Alignment:
        return both_ways(there(ridge), back(ridge), {"pairs": len(pairs)})

    return build


def _solver(source: np.ndarray, target: np.ndarray) -> Callable[[float], Chain]:
    """η -> the map of rows [N, D1] to predictions [N, D2]: V diag(s / (s² + η)) Uᵀ target."""
    svd = thin_svd(source)
    inner = svd.u.T @ target.astype(np.float64)

    def solve(ridge: float) -> Chain:
        weight = svd.vt.T @ ((svd.s / (svd.s**2 + ridge))[:, None] * inner)
        return Chain([UnitRows(), Linear(np.zeros(len(weight)), weight)])

    return solve
