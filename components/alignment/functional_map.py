"""Functional map between two spectral views (Ovsjanikov et al. 2012; of latent spaces: Fumero et al., NeurIPS 2024).

With spectral coordinates A, B [P, K] of the pairs and μ = 1 - eigenvalue of either walk,

    C = argmin ‖AC - B‖²/P + aK Σ_ij C_ij² ((μ_i - ν_j)/s)² + η‖C‖²,   s = max(μ, ν),

column by column in closed form; the penalty asks the map to commute with both random walks. Both directions are fitted;
score cos(A C_xy, B) + cos(A, B C_yx). The best method where encoders curve the world, a poor one where they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment.checks import check_range
from components.alignment.protocol import Alignment, Pairs
from components.alignment.tuned import Candidate, Family, TunedAligner, Unpaired, Variant
from components.alignment.views import Views
from components.transforms import Chain, Concat, Linear, UnitRows

DIMS = (60, 30, 100)
COMMUTES = (0.1, 1.0, 0.01)


@dataclass(frozen=True, kw_only=True)
class FunctionalMap(TunedAligner):
    """Config of the functional map.

    Attributes:
        dims: candidates for the number of eigenvectors K; more than there are is cut.
        commutes: candidates for a, the weight of the penalty.
        ridge: η.
        seed: of the cross-validation folds.
    """

    spectral: ClassVar[bool] = True
    name: ClassVar[str] = "the functional map"
    dims: tuple[int, ...] = DIMS
    commutes: tuple[float, ...] = COMMUTES
    ridge: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for dim in self.dims:
            check_range("dims", dim, 1)
        for commute in self.commutes:
            check_range("commutes", commute, 0)
        check_range("ridge", self.ridge, 0, above=True)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        views = world.spectral()
        limit = min(views.left.dim, views.right.dim)
        sizes = tuple(min(d, limit) for d in self.dims)
        return Family(
            views=views,
            variants=tuple(Variant(views.left.standard_columns(k), views.right.standard_columns(k)) for k in sizes),
            grid=tuple(Candidate(n, a) for n in range(len(sizes)) for a in self.commutes),
            path=lambda n, pairs: fit_path(pairs, views, sizes[n], self.ridge),
            describe=lambda c: {"dim": sizes[c.variant], "commute": c.params},
        )


def fit_path(pairs: Pairs, views: Views, dim: int, ridge: float) -> Callable[[float], Alignment]:
    """The result builds the alignment of standardised spectral coordinates for any penalty weight."""
    mu, nu = 1 - views.left.eigenvalues[:dim], 1 - views.right.eigenvalues[:dim]
    top = max(float(mu.max()), float(nu.max()), 1e-12)
    apart = ((mu[:, None] - nu[None]) / top) ** 2

    def build(commute: float) -> Alignment:
        there = solve_map(pairs.left, pairs.right, commute * dim * apart, ridge)
        back = solve_map(pairs.right, pairs.left, commute * dim * apart.T, ridge)
        left = Concat([Chain([Linear(np.zeros(dim), there), UnitRows()]), UnitRows()])
        right = Concat([UnitRows(), Chain([Linear(np.zeros(dim), back), UnitRows()])])
        return Alignment(left, right, {"pairs": len(pairs)})

    return build


def solve_map(source: np.ndarray, target: np.ndarray, penalty: np.ndarray, ridge: float) -> np.ndarray:
    """C [K1, K2] of ``source`` [P, K1] to ``target`` [P, K2] under ``penalty`` [K1, K2] on its squared entries:
    column j solves (AᵀA/P + diag(penalty_j + ridge)) c_j = Aᵀb_j/P."""
    a, b = source.astype(np.float64), target.astype(np.float64)
    gram, cross = a.T @ a / len(a), a.T @ b / len(a)
    systems = gram[None] + (penalty.T + ridge)[:, :, None] * np.eye(len(gram))
    return np.linalg.solve(systems, cross.T[:, :, None])[:, :, 0].T
