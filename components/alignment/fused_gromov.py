"""Fused Gromov-Wasserstein: landmark rows are matched by what the pairs say and by the shapes of both sides at once.

P minimises (1 - a) <M, P> + a Σ (C1_ik - C2_jl)² P_ij P_kl over couplings of uniform marginals (Vayer et al. 2020;
solved by POT). M is 1 - cosine of the pairs' CSA map, C1 and C2 are distances within a side. Pairs are landmarks, too:
for them a partner costs nothing and everybody else the most. Every other landmark then gets the mean of its matches as
a partner, and a rotation or kernel ridge both ways is fitted to true and found pairs, the true ones weighing half or
more.

With few pairs it is no more than an option: on pictures and texts it did not help, and without pairs such a matching is
at or near chance. Weight 0, the map of the pairs alone, is always a candidate and stays unless held-out pairs improve.
Letters: ``P`` pairs, ``L`` landmarks of a side, ``D`` raw and ``K`` diffusion columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from components.alignment import ridge_cca
from components.alignment.kernel_ridge import KernelMap, kernel
from components.alignment.linalg import thin_svd
from components.alignment.procrustes import project
from components.alignment.protocol import Alignment, Pairs, both_ways
from components.alignment.shaping import Columns
from components.alignment.tuned import Build, Candidate, Family, TunedAligner, Unpaired, Variant, named, plain_views
from components.alignment.views import View
from components.checks import check_one_of, check_range
from components.errors import UserError
from components.transforms import Chain, Concat, Transform, UnitRows, unit_rows

DIFFUSION_TIME = 2.0
DIM = 80
TEACHER = (1.6, 1.0)  # ridge and gamma of the CSA map that M comes from
SHARPNESS, RIDGE = 3.0, 0.5
MAPS = ("kernel-ridge", "procrustes")
MAX_ITERATIONS = 50

_Params = tuple[str, float, float]  # map, weight of the found pairs, a


@dataclass(frozen=True, kw_only=True)
class FusedGromov(TunedAligner):
    """Config of fused Gromov-Wasserstein matching.

    Attributes:
        distances: within a side: ``diffusion`` on its graph, or ``cosine``.
        landmarks: unpaired rows of each side that are matched, at most 1,000: the cost is cubic in them.
        mixes: candidates for a, the share of the shapes; 0 is plain optimal transport.
        weights: candidates for the share of the found pairs, at most a half; 0 is always tried first.
        maps: candidates: ``kernel-ridge``, ``procrustes``.
        seed: of the landmarks and of the cross-validation folds.
    """

    name: ClassVar[str] = "fused Gromov-Wasserstein"
    distances: Literal["diffusion", "cosine"] = "cosine"
    landmarks: int = 300
    mixes: tuple[float, ...] = (0.5,)
    weights: tuple[float, ...] = (0.25, 0.5)
    maps: tuple[str, ...] = MAPS
    seed: int = 0

    def __post_init__(self) -> None:
        check_one_of("distances", self.distances, ("diffusion", "cosine"))
        if not self.maps or not set(self.maps) <= set(MAPS):
            raise UserError(f"{self.maps!r} is not allowed", where="maps", do=f"choose from {', '.join(MAPS)}")
        check_range("landmarks", self.landmarks, 2, 1000)
        for mix in self.mixes:
            check_range("mixes", mix, 0, 1)
        for weight in self.weights:
            check_range("weights", weight, 0, 0.5)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        diffusion = self.distances == "diffusion"
        views = world.spectral() if diffusion else plain_views(dims)
        variant = Variant(_features(views.left, diffusion), _features(views.right, diffusion))
        matching = _Matching(
            left=self._landmarks(world.left, views.left, variant.left, 0),
            right=self._landmarks(world.right, views.right, variant.right, 1),
            dims=dims,
            diffusion=diffusion,
        )
        weights = tuple(dict.fromkeys((0.0, *self.weights)))
        return Family(
            views=views,
            variants=(variant,),
            # Without found pairs a decides nothing: one candidate is enough.
            grid=tuple(
                Candidate(0, (m, w, a)) for w in weights for a in self.mixes[: None if w else 1] for m in self.maps
            ),
            path=lambda _, pairs: matching.path(pairs),
            describe=named("map", "weight", "mix"),
        )

    def _landmarks(self, rows: np.ndarray, view: View, features: Transform, side: int) -> np.ndarray:
        if not len(rows):
            return np.zeros((0, view.raw), np.float32)
        chosen = np.random.default_rng([self.seed, side]).permutation(len(rows))[: self.landmarks]
        return features(view.map(rows[np.sort(chosen)]))


@dataclass(frozen=True, kw_only=True)
class _Matching:
    """Landmarks of both sides as feature rows [L, D + K], and what to make of them."""

    left: np.ndarray
    right: np.ndarray
    dims: tuple[int, int]
    diffusion: bool

    def path(self, pairs: Pairs) -> Build:
        """The result builds the alignment of any ``(map, weight, mix)``."""
        raw = Pairs(pairs.left[:, : self.dims[0]], pairs.right[:, : self.dims[1]])
        alone = Found(raw, raw.left[:0], raw.right[:0], raw.right[:0], raw.left[:0])
        found = lru_cache(maxsize=None)(lambda mix: self.found(pairs, raw, mix))

        def build(params: _Params) -> Alignment:
            kind, weight, mix = params
            use = found(mix) if weight and min(len(self.left), len(self.right)) else alone
            fitted = use.kernel_ridge(weight) if kind == "kernel-ridge" else use.rotation(weight)
            columns = [Columns(0, d) for d in self.dims]
            left, right = Chain([columns[0], fitted.left]), Chain([columns[1], fitted.right])
            return Alignment(left, right, {"pairs": len(pairs), "found": len(use.left)})

        return build

    def found(self, pairs: Pairs, raw: Pairs, mix: float) -> Found:
        left, right = np.concatenate([pairs.left, self.left]), np.concatenate([pairs.right, self.right])
        x, y = left[:, : self.dims[0]], right[:, : self.dims[1]]
        teacher = ridge_cca.fit_path(raw)(TEACHER)
        cost = seeded_cost(teacher.score(x, y), len(pairs))
        parts = [r[:, d:] if self.diffusion else r for r, d in zip((left, right), self.dims, strict=True)]
        plan = match(cost, distances(parts[0], self.diffusion), distances(parts[1], self.diffusion), mix)
        p = len(pairs)
        return Found(raw, x[p:], _mean_of(plan[p:], y), y[p:], _mean_of(plan[:, p:].T, x))


@dataclass(frozen=True)
class Found:
    """True pairs, and landmarks ``left`` [L1, D1], ``right`` [L2, D2] with the means of their matches, unit rows."""

    pairs: Pairs
    left: np.ndarray
    left_partner: np.ndarray
    right: np.ndarray
    right_partner: np.ndarray

    def rotation(self, weight: float) -> Alignment:
        """Procrustes on the cross-covariances of true and found pairs, ``weight`` on the latter."""
        x, y = unit_rows(self.pairs.left).astype(np.float64), unit_rows(self.pairs.right).astype(np.float64)
        cross = x.T @ y / len(x)
        if weight and len(self.left):
            ways = (
                self.left.T @ self.left_partner / len(self.left),
                self.right_partner.T @ self.right / len(self.right),
            )
            cross = (1 - weight) * cross + weight * (ways[0] + ways[1]) / 2
        svd = thin_svd(cross, rank_tolerance=1e-7)
        left, right = project(svd.u), project(svd.vt.T)
        return Alignment(Chain([UnitRows(), left]), Chain([UnitRows(), right]))

    def kernel_ridge(self, weight: float) -> Alignment:
        """Kernel ridge both ways; the found pairs have ``weight`` of the squared errors' total."""
        x, y = unit_rows(self.pairs.left), unit_rows(self.pairs.right)
        to_right = _weighted_map(x, y, self.left, self.left_partner, weight)
        to_left = _weighted_map(y, x, self.right, self.right_partner, weight)
        return both_ways(to_right, to_left)


def match(cost: np.ndarray, left: np.ndarray, right: np.ndarray, mix: float) -> np.ndarray:
    """Coupling [L1, L2] of uniform marginals for a cost and the distances within the sides, each of mean 1."""
    import torch

    from components.transport.gromov import GromovConfig, gromov_plan

    config = GromovConfig(alpha=mix, max_iterations=MAX_ITERATIONS, tolerance=1e-6)
    sides = [torch.from_numpy(np.ascontiguousarray(c)) for c in (left, right, cost)]
    return np.asarray(gromov_plan(sides[0], sides[1], config=config, cost=sides[2]).plan.numpy())


def seeded_cost(scores: np.ndarray, num_pairs: int) -> np.ndarray:
    """1 - scores [L1, L2] over its mean, where the first ``num_pairs`` rows and columns are partners of each other:
    nothing among partners, the highest cost with anybody else."""
    cost = (1 - scores).astype(np.float64)
    highest = cost.max()
    cost[:num_pairs], cost[:, :num_pairs] = highest, highest
    cost[np.arange(num_pairs), np.arange(num_pairs)] = 0
    return cost / max(float(cost.mean()), 1e-12)


def distances(rows: np.ndarray, diffusion: bool) -> np.ndarray:
    """Euclidean distances of diffusion coordinates, or 1 - cosine, over their mean. [L, L]"""
    x = rows.astype(np.float64) if diffusion else unit_rows(rows).astype(np.float64)
    square = (x**2).sum(axis=1)
    squared = np.maximum(square[:, None] + square - 2 * x @ x.T, 0)
    found = np.sqrt(squared) if diffusion else squared / 2
    return np.asarray(found / max(float(found.mean()), 1e-12))


def _weighted_map(
    x: np.ndarray, y: np.ndarray, extra: np.ndarray, extra_partner: np.ndarray, weight: float
) -> KernelMap:
    """Kernel ridge from ``x`` and ``extra`` to their partners: (K + l diag(1/v))⁻¹ Y, v = 1 for every true pair."""
    if not weight or not len(extra):
        extra, extra_partner = extra[:0], extra_partner[:0]
    anchors, targets = np.concatenate([x, extra]), np.concatenate([y, extra_partner]).astype(np.float64)
    share = weight / (1 - weight) * len(x) / max(len(extra), 1)
    noise = np.concatenate([np.ones(len(x)), np.full(len(extra), 1 / max(share, 1e-12))])
    system = kernel(anchors, SHARPNESS) + RIDGE * np.diag(noise)
    return KernelMap(anchors, np.linalg.solve(system, targets), SHARPNESS)


def _mean_of(plan: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Unit means of ``rows`` under the rows of ``plan``."""
    return unit_rows(plan @ rows)


def _features(view: View, diffusion: bool) -> Transform:
    """Unit raw rows, and the diffusion coordinates beside them if they are wanted."""
    raw = Chain([view.raw_columns(), UnitRows()])
    return Concat([raw, view.diffusion_columns(DIFFUSION_TIME, DIM)]) if diffusion else raw
