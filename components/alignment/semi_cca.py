"""Semi-supervised CCA: covariances within a side from all of its rows, only those between the sides from the pairs.

Σ_x, Σ_y of all rows (unpaired and paired), shrunk to (1 - η) Σ + η tr(Σ)/D I; Σ_xy = X̂ᵀŶ/P centred on the pairs. From
the SVD Σ_x^-½ Σ_xy Σ_y^-½ = U diag(s) Vᵀ, canonical coordinates are weighted by s^γ (CSA). Helps where within-view
noise is what limits the pairs; on real picture-text corpora it did not.

Rows are reduced to 256 principal axes first. Letters: ``D`` columns, ``K`` shared columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment.linalg import column_signs, thin_svd
from components.alignment.protocol import Alignment, Pairs
from components.alignment.sampling import sample_rows
from components.alignment.tuned import Build, Candidate, Family, TunedAligner, Unpaired, Variant, named, plain_views
from components.alignment.views import View, Views
from components.checks import check_range
from components.transforms import Chain, Linear, Transform, UnitRows, unit_rows

SHRINKAGES = (0.9, 0.5, 0.1, 0.98)
GAMMAS = (1.0, 0.5)
MAX_ROWS = 20_000
PCA_DIM = 256
CHUNK = 2048


@dataclass(frozen=True, kw_only=True)
class SemiCCA(TunedAligner):
    """Config of semi-supervised CCA.

    Attributes:
        dim: canonical dimensions; None keeps all that the pairs span.
        shrinkages: candidates for η.
        gammas: candidates for the exponent of the CSA weights.
        seed: of the cross-validation folds and of the sample of rows where there are more than 20,000.
    """

    name: ClassVar[str] = "semi-supervised CCA"
    dim: int | None = None
    shrinkages: tuple[float, ...] = SHRINKAGES
    gammas: tuple[float, ...] = GAMMAS
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("dim", self.dim, 1, optional=True)
        for shrinkage in self.shrinkages:
            check_range("shrinkages", shrinkage, 0, 1, above=True)
        for gamma in self.gammas:
            check_range("gammas", gamma, 0, 8)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        reduced = reduce_world(world, dims, self.seed)
        return Family(
            views=reduced.views,
            variants=(reduced.variant,),
            grid=tuple(Candidate(0, (e, g)) for g in self.gammas for e in self.shrinkages),
            path=lambda _, pairs: canonical_path(reduced.spectra(pairs), cross_covariance(pairs), self.dim),
            describe=named("shrinkage", "gamma"),
        )


@dataclass(frozen=True)
class Reduced:
    """Unpaired rows on the leading principal axes of their side, and their moments (None for no rows)."""

    views: Views
    variant: Variant
    left: np.ndarray
    right: np.ndarray
    moments: tuple[Moments | None, Moments | None]

    def spectra(self, pairs: Pairs) -> tuple[Spectrum, Spectrum]:
        """Of the unpaired rows and ``pairs`` of the variant's features together."""
        return Spectrum.of(pairs.left, self.moments[0]), Spectrum.of(pairs.right, self.moments[1])


def reduce_world(world: Unpaired, dims: tuple[int, int], seed: int) -> Reduced:
    """Unit rows on at most 256 axes; of more than 20,000 rows a seeded sample."""
    views = plain_views(dims)
    rows = [sample_rows(r, MAX_ROWS, seed) for r in (world.left, world.right)]
    variant = Variant(_axes(views.left, rows[0]), _axes(views.right, rows[1]))
    left, right = (m(r) if len(r) else r for m, r in zip((variant.left, variant.right), rows, strict=True))
    sums = (moments(left) if len(left) else None, moments(right) if len(right) else None)
    return Reduced(views, variant, left, right, sums)


@dataclass(frozen=True)
class Moments:
    """Sum of rows [D], of their outer products [D, D], and their number."""

    total: np.ndarray
    outer: np.ndarray
    count: int


@dataclass(frozen=True)
class Spectrum:
    """Eigen-decomposition of a side's covariance, and its mean [D]."""

    mean: np.ndarray
    values: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, paired: np.ndarray, unpaired: Moments | None) -> Spectrum:
        """Of the ``paired`` rows [P, D] and all unpaired ones."""
        own = moments(paired)
        if unpaired is not None:
            count = own.count + unpaired.count
            own = Moments(own.total + unpaired.total, own.outer + unpaired.outer, count)
        mean = own.total / own.count
        values, vectors = np.linalg.eigh(own.outer / own.count - np.outer(mean, mean))
        return cls(mean, np.maximum(values, 0), vectors)

    def inverse_root(self, shrinkage: float) -> np.ndarray:
        """((1 - η) Σ + η tr(Σ)/D I)^-½. [D, D]"""
        shrunk = (1 - shrinkage) * self.values + shrinkage * self.values.mean()
        return np.asarray((self.vectors / np.sqrt(np.maximum(shrunk, 1e-12))) @ self.vectors.T)


def moments(rows: np.ndarray) -> Moments:
    """Of ``rows`` [N, D]."""
    total, outer = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), CHUNK):  # a float64 copy of all rows would be the largest array of all
        x = rows[start : start + CHUNK].astype(np.float64)
        total, outer = total + x.sum(axis=0), outer + x.T @ x
    return Moments(total, outer, len(rows))


def cross_covariance(pairs: Pairs) -> np.ndarray:
    """X̂ᵀŶ/P, both sides centred on the pairs. [D1, D2]"""
    x, y = (rows - rows.mean(axis=0, dtype=np.float64) for rows in (pairs.left, pairs.right))
    return np.asarray(x.T @ y / len(x))


def canonical_path(spectra: tuple[Spectrum, Spectrum], cross: np.ndarray, dim: int | None) -> Build:
    """The result builds the alignment of any ``(shrinkage, gamma)``."""
    solved: dict[float, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def build(params: tuple[float, float]) -> Alignment:
        shrinkage, gamma = params
        if shrinkage not in solved:
            a, b = (s.inverse_root(shrinkage) for s in spectra)
            svd = thin_svd(a @ cross @ b, rank_tolerance=1e-6)
            kept = min(dim or len(svd.s), len(svd.s))
            solved[shrinkage] = a @ svd.u[:, :kept], b @ svd.vt[:kept].T, np.minimum(svd.s[:kept], 1)
        left, right, s = solved[shrinkage]
        return Alignment(
            _project(spectra[0].mean, left * s**gamma),
            _project(spectra[1].mean, right * s**gamma),
            {"canonical_correlations": [float(v) for v in s]},
        )

    return build


def _project(mean: np.ndarray, weight: np.ndarray) -> Chain:
    return Chain([Linear(mean, weight), UnitRows()])


def _axes(view: View, rows: np.ndarray) -> Transform:
    """Raw rows -> unit rows on the leading principal axes of ``rows``."""
    unit = Chain([view.raw_columns(), UnitRows()])
    if not len(rows) or view.raw <= PCA_DIM:
        return unit
    vectors = Spectrum.of(unit_rows(rows), None).vectors[:, ::-1][:, :PCA_DIM]
    return Chain([unit, Linear(np.zeros(view.raw), vectors * column_signs(vectors))])
