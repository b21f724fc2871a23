"""Functional map between two spectral views (Ovsjanikov et al. 2012; of latent spaces: Fumero et al., NeurIPS 2024).

With spectral coordinates A, B [P, K] of the pairs, eigenvectors ordered by eigenvalue,

    C = argmin ‖AC - B‖²/P + aK Σ_ij C_ij² ((i - j)/K)² + η‖C‖²,

column by column in closed form; the penalty asks the map to commute with both random walks. Ranks stand for the
eigenvalues of the original formula: two encoders of one world differ in noise, which shifts and stretches a whole
spectrum and leaves its order alone. Both directions are fitted; score cos(A C_xy, B) + cos(A, B C_yx) with every column
weighted by eigenvalue**time, so that distances are diffusion distances and fast eigenvectors, the least certain ones,
count least. The best single method where encoders curve the world, a poor one where they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.shaping import Columns
from components.alignment.tuned import Candidate, Family, TunedAligner, Unpaired, Variant
from components.alignment.views import Views
from components.checks import check_range
from components.transforms import Chain, Concat, Linear, UnitRows

DIMS = (100, 50)
COMMUTES = (0.1, 0.3, 0.03)
TIME = 2.0


@dataclass(frozen=True, kw_only=True)
class FunctionalMap(TunedAligner):
    """Config of the functional map.

    Attributes:
        dims: candidates for the number of eigenvectors K; more than there are is cut.
        commutes: candidates for a, the weight of the penalty.
        ridge: η.
        time: diffusion time of the columns' weights in the score; 0 weighs all alike.
        seed: of the cross-validation folds.
    """

    spectral: ClassVar[bool] = True
    name: ClassVar[str] = "the functional map"
    dims: tuple[int, ...] = DIMS
    commutes: tuple[float, ...] = COMMUTES
    ridge: float = 0.1
    time: float = TIME
    seed: int = 0

    def __post_init__(self) -> None:
        for dim in self.dims:
            check_range("dims", dim, 1)
        for commute in self.commutes:
            check_range("commutes", commute, 0)
        check_range("ridge", self.ridge, 0, above=True)
        check_range("time", self.time, 0)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        views = world.spectral()
        limit = min(views.left.dim, views.right.dim)
        sizes = tuple(min(d, limit) for d in self.dims)
        return Family(
            views=views,
            variants=tuple(Variant(views.left.standard_columns(k), views.right.standard_columns(k)) for k in sizes),
            grid=tuple(Candidate(n, a) for n in range(len(sizes)) for a in self.commutes),
            path=lambda n, pairs: self._path(pairs, views, sizes[n]),
            describe=lambda c: {"dim": sizes[c.variant], "commute": c.params},
        )

    def _path(self, pairs: Pairs, views: Views, dim: int) -> Callable[[float], Alignment]:
        weights = column_weights(views, dim, self.time)
        return lambda commute: fit_map(pairs, commute, self.ridge, weights)


def column_weights(views: Views, dim: int, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalue**time of the first ``dim`` eigenvectors of both sides. [K], [K]"""
    return views.left.eigenvalues[:dim] ** time, views.right.eigenvalues[:dim] ** time


def fit_map(
    pairs: Pairs,
    commute: float,
    ridge: float,
    columns: tuple[np.ndarray, np.ndarray],
    *,
    soft: tuple[Pairs, Pairs] | None = None,
    share: float = 0.0,
) -> Alignment:
    """Both maps between standardised spectral coordinates, as an alignment of them.

    Args:
        pairs: coordinates of the known pairs, [P, K] both.
        commute: a.
        ridge: η.
        columns: weights of either side's columns in the score. [K], [K]
        soft: further rows and their uncertain partners, for the map to the right and for the one to the left.
        share: of ``soft`` in the loss; the pairs have the rest.
    """
    dim = pairs.left.shape[1]
    penalty = commute * dim * rank_distance(dim)
    there, back = soft or (pairs, pairs)
    to_right = solve_map(pairs.left, pairs.right, penalty, ridge, soft=(there.left, there.right), share=share)
    to_left = solve_map(pairs.right, pairs.left, penalty, ridge, soft=(back.right, back.left), share=share)
    x_weight, y_weight = Columns(0, dim, columns[0]), Columns(0, dim, columns[1])
    zero = np.zeros(dim)
    left = Concat([Chain([Linear(zero, to_right), y_weight, UnitRows()]), Chain([x_weight, UnitRows()])])
    right = Concat([Chain([y_weight, UnitRows()]), Chain([Linear(zero, to_left), x_weight, UnitRows()])])
    return Alignment(left, right, {"pairs": len(pairs)})


def rank_distance(dim: int) -> np.ndarray:
    """((i - j)/K)². [K, K]"""
    ranks = np.arange(dim) / dim
    return np.asarray((ranks[:, None] - ranks[None]) ** 2)


def solve_map(
    source: np.ndarray,
    target: np.ndarray,
    penalty: np.ndarray,
    ridge: float,
    *,
    soft: tuple[np.ndarray, np.ndarray] | None = None,
    share: float = 0.0,
) -> np.ndarray:
    """C [K1, K2] of ``source`` [P, K1] to ``target`` [P, K2] under ``penalty`` [K1, K2] on its squared entries:
    column j solves (AᵀA/P + diag(penalty_j + ridge)) c_j = Aᵀb_j/P. A ``share`` of the loss may come from ``soft``."""
    gram, cross = mixed_moments((source, target), soft, share)
    systems = gram[None] + (penalty.T + ridge)[:, :, None] * np.eye(len(gram))
    return np.ascontiguousarray(np.linalg.solve(systems, cross.T[:, :, None])[:, :, 0].T)


def mixed_moments(
    known: tuple[np.ndarray, np.ndarray], soft: tuple[np.ndarray, np.ndarray] | None, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`moments` of known rows, with a ``share`` of those of the soft ones."""
    gram, cross = moments(*known)
    if soft is None or share == 0:
        return gram, cross
    more_gram, more_cross = moments(*soft)
    return (1 - share) * gram + share * more_gram, (1 - share) * cross + share * more_cross


def moments(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AᵀA/P [K1, K1] and AᵀB/P [K1, K2] of rows A, B."""
    a = source.astype(np.float64)
    return a.T @ a / len(a), a.T @ target.astype(np.float64) / len(a)
