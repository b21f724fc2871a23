"""Kernel ridge regression both ways: each side predicts the other from its similarities to the known pairs.

Score: cos(k_x (K_x + lI)⁻¹ Ŷ, y) + cos(x, k_y (K_y + lI)⁻¹ X̂) with k(a, b) = exp(b (cos(a, b) - 1)). The sum of two
cosines is one dot product of unit blocks side by side. The strongest pairs-only method on picture-text corpora.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from components.alignment.checks import check_fit
from components.alignment.protocol import Alignment, Pairs, both_ways
from components.alignment.selection import at_most, cross_validate
from components.checks import check_range
from components.errors import UserError
from components.transforms import Spec, Tensors, Transform, unit_rows

# In order of preference: of candidates that cross-validation cannot tell apart, the first wins.
SHARPNESS = (3.0, 1.0, 6.0)
RIDGES = (0.5, 0.1, 2.0)


class KernelMap(Transform):
    """``exp(b (cos(x, anchors) - 1)) @ weight``; ``anchors`` [P, D] unit rows, ``weight`` [P, K], ``b`` sharpness."""

    kind = "kernel"

    def __init__(self, anchors: np.ndarray, weight: np.ndarray, sharpness: float) -> None:
        self.anchors, self.weight = anchors.astype(np.float32), weight.astype(np.float32)
        self.sharpness = float(sharpness)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.exp(self.sharpness * (unit_rows(x) @ self.anchors.T - 1)) @ self.weight

    def state(self) -> tuple[Spec, Tensors]:
        return {"sharpness": self.sharpness}, {"anchors": self.anchors, "weight": self.weight}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> KernelMap:
        return cls(tensors["anchors"], tensors["weight"], spec["sharpness"])


@dataclass(frozen=True, kw_only=True)
class KernelRidge:
    """Config of kernel ridge both ways.

    Attributes:
        sharpness: candidates for b, the kernel's inverse squared width; several are chosen from by cross-validation.
        ridges: candidates for l; 0 is refused.
        max_pairs: of more pairs a seeded sample is used, as the cost is cubic in them.
        seed: of the cross-validation folds and of that sample.
    """

    sharpness: tuple[float, ...] = SHARPNESS
    ridges: tuple[float, ...] = RIDGES
    max_pairs: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sharpness", "ridges"):
            values = getattr(self, name)
            if isinstance(values, int | float) and not isinstance(values, bool):
                values = (float(values),)
            if not isinstance(values, tuple | list) or not values:
                raise UserError(f"{values!r} is not allowed", where=name, do="give a number or a list of numbers")
            object.__setattr__(self, name, tuple(values))
            for value in values:
                check_range(name, value, 0, above=True)
        check_range("max_pairs", self.max_pairs, 3)

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Fit on the pairs; the unpaired rows serve as distractors of the cross-validation. O(P³ + N P).

        Raises:
            UserError: fewer than 3 pairs, non-finite or all-equal rows.
        """
        check_fit(left, right, pairs, needed=3, why="kernel ridge")
        pairs = at_most(pairs, self.max_pairs, self.seed)
        grid = [(b, r) for b in self.sharpness for r in self.ridges]
        if len(grid) == 1:
            return fit_path(pairs)(grid[0])
        chosen = cross_validate(grid, fit_path, left, right, pairs, seed=self.seed)
        best = fit_path(pairs)(chosen.best)
        table = [{"sharpness": b, "ridge": r, "score": s} for (b, r), s in zip(grid, chosen.scores, strict=True)]
        return Alignment(best.left, best.right, {**best.diagnostics, "cv": table})


def fit_path(pairs: Pairs) -> Callable[[tuple[float, float]], Alignment]:
    """The result builds the alignment of any ``(sharpness, ridge)``; each kernel is decomposed once for all ridges."""
    left, right = unit_rows(pairs.left), unit_rows(pairs.right)
    spectra: dict[float, tuple[_Spectrum, _Spectrum]] = {}

    def build(candidate: tuple[float, float]) -> Alignment:
        b, ridge = candidate
        if b not in spectra:
            spectra[b] = _Spectrum.of(left, b), _Spectrum.of(right, b)
        to_right = KernelMap(left, spectra[b][0].solve(right, ridge), b)
        to_left = KernelMap(right, spectra[b][1].solve(left, ridge), b)
        return both_ways(to_right, to_left, {"sharpness": b, "ridge": ridge, "pairs": len(pairs)})

    return build


def kernel(rows: np.ndarray, sharpness: float) -> np.ndarray:
    """exp(b (cos - 1)) among unit ``rows`` [P, D], float64. [P, P]"""
    x = rows.astype(np.float64)
    return np.asarray(np.exp(sharpness * (x @ x.T - 1)))


@dataclass(frozen=True)
class _Spectrum:
    """Eigen-decomposition of a kernel matrix [P, P]."""

    values: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, anchors: np.ndarray, sharpness: float) -> _Spectrum:
        return cls(*np.linalg.eigh(kernel(anchors, sharpness)))

    def solve(self, targets: np.ndarray, ridge: float) -> np.ndarray:
        """(K + ridge I)⁻¹ targets, [P, K]."""
        inner = self.vectors.T @ targets.astype(np.float64)
        return np.asarray(self.vectors @ (inner / (np.maximum(self.values, 0) + ridge)[:, None]))
