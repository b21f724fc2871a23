"""Ridge CCA with CSA weights: the closed-form linear aligner.

Hotelling's CCA with XᵀX + ρI in place of XᵀX (Vinod 1976), canonical coordinates weighted by their correlation to
the power γ before the cosine (CSA, Li et al., ICLR 2025; γ = 1 there and here). With fewer pairs than dimensions the
ridge is what makes it an estimate at all: plain CCA of noise gives correlations near 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components.alignment.checks import check_fit
from components.alignment.linalg import ThinSVD, mean_square_norm, thin_svd
from components.alignment.preprocess import column_scales
from components.alignment.protocol import Alignment, Pairs
from components.alignment.selection import cross_validate
from components.checks import check_range
from components.transforms import Chain, Linear, Transform, UnitRows

# In order of preference: of candidates that cross-validation cannot tell apart, the first wins.
RIDGES = (1.6, 0.1, 0.4, 6.4, 25.6)
GAMMAS = (1.0, 0.5, 1.5)


@dataclass(frozen=True, kw_only=True)
class RidgeCCA:
    """Config of ridge CCA.

    Attributes:
        dim: canonical dimensions r; None keeps all that the pairs span.
        ridge: ρ/P in units of the mean column variance of the pair rows, so that scaling the rows changes nothing; of
            columns of unit variance, XᵀX/P becomes XᵀX/P + ridge I. None chooses from ``RIDGES`` by cross-validation.
        gamma: exponent of the CSA weight, 0 for none. None chooses from ``GAMMAS``.
        scale: divide columns by their standard deviation over all rows first (spectral coordinates need it, PCA
            coordinates would lose their order of importance).
        seed: of the cross-validation folds.
    """

    dim: int | None = None
    ridge: float | None = None
    gamma: float | None = 1.0
    scale: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("dim", self.dim, 1, optional=True)
        check_range("ridge", self.ridge, 0, optional=True)
        check_range("gamma", self.gamma, 0, 8, optional=True)

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Fit on the pairs; the unpaired rows [N1, D1], [N2, D2] give column scales and distractors.

        Returns maps to [*, r] unit rows; diagnostics hold ``ridge``, ``gamma``, ``canonical_correlations`` (in-sample:
        they mean nothing at few pairs, see :mod:`components.evaluation.canonical`) and the ``cv`` table.

        Raises:
            UserError: fewer pairs than ``dim`` + 1 (or than 3), non-finite or all-equal rows.
        """
        needed = max(3, (self.dim or 0) + 1)
        check_fit(left, right, pairs, needed=needed, why=f"{self.dim or 'any'} CCA dimensions")
        scales = self._scales(left, right, pairs)
        if self.ridge is not None and self.gamma is not None:
            return fit_path(pairs, self.dim, scales)((self.ridge, self.gamma))
        grid = [(r, g) for g in _grid(self.gamma, GAMMAS) for r in _grid(self.ridge, RIDGES)]
        chosen = cross_validate(grid, lambda fold: fit_path(fold, self.dim, scales), left, right, pairs, seed=self.seed)
        best = fit_path(pairs, self.dim, scales)(chosen.best)
        table = [{"ridge": r, "gamma": g, "score": s} for (r, g), s in zip(grid, chosen.scores, strict=True)]
        return Alignment(best.left, best.right, {**best.diagnostics, "cv": table})

    def _scales(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.scale:
            return None
        return (
            column_scales(np.concatenate([left, pairs.left]) if len(left) else pairs.left),
            column_scales(np.concatenate([right, pairs.right]) if len(right) else pairs.right),
        )


def fit_path(
    pairs: Pairs, dim: int | None = None, scales: tuple[np.ndarray, np.ndarray] | None = None
) -> Callable[[tuple[float, float]], Alignment]:
    """Decompose the pairs once; the result builds the alignment of any ``(ridge, gamma)``. ``scales``: 1 by default.

    With thin SVDs X = U S Vᵀ of the centred, scaled pair rows, (XᵀX + ρI)^-½ Xᵀ = V diag(s/√(s² + ρ)) Uᵀ on the pairs'
    span and nothing outside it, so all algebra happens in P x P however many dimensions there are.
    """
    one, two = scales or (np.ones(pairs.left.shape[1]), np.ones(pairs.right.shape[1]))
    left, right = _View.of(pairs.left, one), _View.of(pairs.right, two)

    def build(candidate: tuple[float, float]) -> Alignment:
        ridge, gamma = candidate
        inner = thin_svd((left.gain(ridge)[:, None] * (left.svd.u.T @ right.svd.u)) * right.gain(ridge))
        kept = min(dim or len(inner.s), len(inner.s))
        correlations = np.minimum(inner.s[:kept], 1.0)
        weights = correlations**gamma
        return Alignment(
            left.map_to(inner.u[:, :kept] * weights, ridge),
            right.map_to(inner.vt[:kept].T * weights, ridge),
            {"ridge": ridge, "gamma": gamma, "canonical_correlations": [float(c) for c in correlations]},
        )

    return build


def canonical_parts(alignment: Alignment) -> tuple[Transform, Transform]:
    """The maps of an alignment of :class:`RidgeCCA` to canonical coordinates, before rows are scaled to unit length.

    Raises:
        TypeError: the alignment is of another kind.
    """
    sides = (alignment.left, alignment.right)
    if not all(isinstance(s, Chain) and len(s.parts) == 2 and isinstance(s.parts[1], UnitRows) for s in sides):
        raise TypeError("not an alignment of ridge CCA")
    left, right = (s.parts[0] for s in sides if isinstance(s, Chain))
    return left, right


@dataclass(frozen=True)
class _View:
    """One side's pair rows, centred and scaled, as a thin SVD. ``unit`` is the squared singular value that P rows of
    the mean column variance would give in every direction."""

    mean: np.ndarray
    scale: np.ndarray
    svd: ThinSVD
    unit: float

    @classmethod
    def of(cls, rows: np.ndarray, scale: np.ndarray) -> _View:
        mean = rows.mean(axis=0, dtype=np.float64)
        x = (rows.astype(np.float64) - mean) * scale
        return cls(mean, scale, thin_svd(x), len(x) * mean_square_norm(x) / x.shape[1])

    def gain(self, ridge: float) -> np.ndarray:
        """s / √(s² + ρ), [k]."""
        return self.svd.s / np.sqrt(self.svd.s**2 + ridge * self.unit)

    def map_to(self, coordinates: np.ndarray, ridge: float) -> Chain:
        """Map of raw rows to canonical ``coordinates`` [k, r], unit rows."""
        inverse_root = 1 / np.sqrt(self.svd.s**2 + ridge * self.unit)
        weight = self.scale[:, None] * (self.svd.vt.T @ (inverse_root[:, None] * coordinates))
        # The cosine ignores one factor for all; without it float32 loses digits when rows are tiny or huge.
        return Chain([Linear(self.mean, weight * np.sqrt(self.unit)), UnitRows()])


def _grid(value: float | None, grid: tuple[float, ...]) -> tuple[float, ...]:
    return grid if value is None else (value,)
