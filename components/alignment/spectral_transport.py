"""Maps between two spectral views, taught by the pairs and by a transport plan between unpaired rows.

A teacher that knows the pairs alone (functional map plus CSA on fused rows, each over its spread) scores a sample of
unpaired rows. Its entropic transport plan says where every row's mass should go, and the student (functional map plus
ridge regression on fused rows) learns from the pairs and from the rows' barycentres under the plan (teacher plans:
SOTAlign, arXiv 2602.23353; barycentric projection: Ferradans et al. 2014; refinement of functional maps: ZoomOut,
Melzi et al. 2019). The student has a thousand rows to fit where the teacher had a hundred. The next round's teacher is
both together. Worth much where encoders curve the world and nothing or less elsewhere, so it is one candidate of
``auto``, never the only one.

Letters: ``N`` unpaired rows of the sample, ``P`` pairs, ``K`` spectral and ``F`` fused columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment import ridge_cca
from components.alignment.ensemble import combine
from components.alignment.functional_map import column_weights, fit_map, mixed_moments
from components.alignment.fused import fused_rows
from components.alignment.protocol import Alignment, Pairs, both_ways
from components.alignment.sampling import sample_rows
from components.alignment.shaping import Columns
from components.alignment.tuned import Candidate, Family, TunedAligner, Unpaired, Variant, named
from components.alignment.views import View, Views
from components.checks import check_range
from components.transforms import Chain, Concat, Linear
from components.transport.numpy_plan import balanced_plan

TEACHER_COMMUTE, TEACHER_TIME, CSA = 0.1, 2.0, (6.4, 1.0)
STUDENT_COMMUTE, STUDENT_TIME, MAP_RIDGE = 0.03, 1.0, 0.1
SWEEPS = 20


@dataclass(frozen=True, kw_only=True)
class SpectralTransport(TunedAligner):
    """Config of the maps taught by a plan.

    Attributes:
        dim: eigenvectors K.
        weight, time: of the spectral part of a fused row. Later times than other methods take: with a plan's many rows
            the noise of small eigenvalues costs more than what they know.
        rounds: of teaching; 0 is the teacher.
        rows: unpaired rows of each side in the plan; cost and memory grow with their square, never with the corpus.
        epsilon: entropy of the plan, in units of the spread of the teacher's scores.
        share: of the unpaired rows in the student's loss; the pairs have the rest.
        ridge: of the regression on fused rows, relative to the mean variance of its columns.
        seed: of the sample and of the cross-validation folds.
    """

    spectral: ClassVar[bool] = True
    name: ClassVar[str] = "the map taught by a transport plan"
    dim: int = 100
    weight: float = 3.0
    time: float = 4.0
    rounds: int = 2
    rows: int = 1500
    epsilon: float = 0.3
    share: float = 0.8
    ridge: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("dim", self.dim, 2)
        check_range("rounds", self.rounds, 0, 20)
        check_range("rows", self.rows, 10, 10_000)
        check_range("share", self.share, 0, 1)
        check_range("time", self.time, 0)
        for name in ("weight", "epsilon", "ridge"):
            check_range(name, getattr(self, name), 0, above=True)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        views = world.spectral()
        dim = min(self.dim, views.left.dim, views.right.dim)
        variant = Variant(self._features(views.left, dim), self._features(views.right, dim))
        x = variant.left(views.left.map(sample_rows(world.left, self.rows, [self.seed, 0])))
        y = variant.right(views.right.map(sample_rows(world.right, self.rows, [self.seed, 1])))
        lesson = _Lesson(self, _School(views, dim), x, y)
        return Family(
            views=views,
            variants=(variant,),
            grid=(Candidate(0, self.rounds),),
            path=lambda _, pairs: lambda rounds: lesson.teach(pairs, rounds),
            describe=named("rounds"),
        )

    def _features(self, view: View, dim: int) -> Concat:
        """Standardised spectral columns beside the fused row. [N, K + F]"""
        return Concat([view.standard_columns(dim), fused_rows(view, self.weight, time=self.time, dim=dim)])


class _School:
    """Teacher and student on features [N, K + F]: K spectral columns, then the fused row."""

    def __init__(self, views: Views, dim: int) -> None:
        self.dim = dim
        self.teacher_weights = column_weights(views, dim, TEACHER_TIME)
        self.student_weights = column_weights(views, dim, STUDENT_TIME)

    def spectral(self, pairs: Pairs) -> Pairs:
        return Pairs(pairs.left[:, : self.dim], pairs.right[:, : self.dim])

    def fused(self, pairs: Pairs) -> Pairs:
        return Pairs(pairs.left[:, self.dim :], pairs.right[:, self.dim :])

    def on_features(self, spectral: Alignment, fused: Alignment) -> list[Alignment]:
        """Alignments of either part as alignments of whole rows."""
        parts = (Columns(0, self.dim), spectral), (Columns(self.dim), fused)
        return [Alignment(Chain([c, a.left]), Chain([c, a.right])) for c, a in parts]

    def teachers(self, pairs: Pairs) -> list[Alignment]:
        spectral, fused = self.spectral(pairs), self.fused(pairs)
        csa = ridge_cca.fit_path(fused)(CSA)
        return self.on_features(fit_map(spectral, TEACHER_COMMUTE, MAP_RIDGE, self.teacher_weights), csa)

    def students(self, pairs: Pairs, soft: tuple[Pairs, Pairs], share: float, ridge: float) -> list[Alignment]:
        spectral = self.spectral(soft[0]), self.spectral(soft[1])
        mapped = fit_map(
            self.spectral(pairs), STUDENT_COMMUTE, MAP_RIDGE, self.student_weights, soft=spectral, share=share
        )
        there, back = self.fused(soft[0]), self.fused(soft[1])
        return self.on_features(mapped, _ridge_both_ways(self.fused(pairs), (there, back), share, ridge))


@dataclass(frozen=True)
class _Lesson:
    """One sample of unpaired rows, features [N1, K + F1] and [N2, K + F2], and who teaches whom on it."""

    config: SpectralTransport
    school: _School
    left: np.ndarray
    right: np.ndarray

    def teach(self, pairs: Pairs, rounds: int) -> Alignment:
        """Fit on features of the pairs."""
        about = {"pairs": len(pairs), "unpaired": [len(self.left), len(self.right)]}
        teacher = current = taught = self._sum(self.school.teachers(pairs))
        for _ in range(rounds):
            soft = self._partners(current)
            taught = self._sum(self.school.students(pairs, soft, self.config.share, self.config.ridge))
            current = self._sum([teacher, taught])
        return Alignment(taught.left, taught.right, about)

    def _sum(self, members: list[Alignment]) -> Alignment:
        """Each score over its spread between unpaired rows."""
        spreads = [max(float(m.score(self.left, self.right).std()), 1e-12) for m in members]
        return combine(members, [1 / s for s in spreads])

    def _partners(self, teacher: Alignment) -> tuple[Pairs, Pairs]:
        """Left rows with their barycentres among the right ones under the teacher's plan, and the other way round."""
        scores = teacher.score(self.left, self.right)
        spread = max(float(scores.std()), 1e-12)
        plan = balanced_plan(scores, self.config.epsilon * spread, sweeps=SWEEPS).astype(np.float32)
        right = plan @ self.right / plan.sum(axis=1, keepdims=True)
        left = plan.T @ self.left / plan.sum(axis=0)[:, None]
        return Pairs(self.left, right), Pairs(left, self.right)


def _ridge_both_ways(pairs: Pairs, soft: tuple[Pairs, Pairs], share: float, ridge: float) -> Alignment:
    there = _ridge((pairs.left, pairs.right), (soft[0].left, soft[0].right), share, ridge)
    back = _ridge((pairs.right, pairs.left), (soft[1].right, soft[1].left), share, ridge)
    return both_ways(there, back)


def _ridge(
    known: tuple[np.ndarray, np.ndarray], soft: tuple[np.ndarray, np.ndarray], share: float, ridge: float
) -> Linear:
    """Ridge regression of the second of each on the first; ``soft`` has ``share`` of the loss."""
    gram, cross = mixed_moments(known, soft, share)
    gram = gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
    return Linear(np.zeros(len(gram)), np.linalg.solve(gram, cross))
