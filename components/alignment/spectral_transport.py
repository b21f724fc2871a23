"""Ridge maps between two spectral views, taught by the pairs and by a transport plan between unpaired rows.

A teacher that knows the pairs alone (CSA plus kernel ridge on fused rows, each over its spread) scores a sample of
unpaired rows. Its entropic transport plan says where every row's mass should go; ridge regression both ways then learns
from the pairs and from the rows' barycentres under the plan (teacher plans: SOTAlign, arXiv 2602.23353; barycentric
projection: Ferradans et al. 2014). The student has a thousand rows to fit where the teacher had a hundred, so it can
use all eigenvectors. A second round takes teacher and student together. Worth much where encoders curve the world and
nothing or less elsewhere, so it is one candidate of ``auto``, never the only one.

Letters: ``N`` unpaired rows of the sample, ``P`` pairs, ``F`` columns of fused rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment import kernel_ridge, ridge_cca
from components.alignment.checks import check_range
from components.alignment.ensemble import combine
from components.alignment.fused import fused_rows
from components.alignment.protocol import Alignment, Pairs
from components.alignment.tuned import Build, Candidate, Family, TunedAligner, Unpaired, Variant
from components.transforms import Chain, Concat, Linear, Transform, UnitRows

CSA_RIDGE, CSA_GAMMA = 6.4, 1.0
SHARPNESS, KERNEL_RIDGE = 1.0, 0.1
SINKHORN_SWEEPS = 20


@dataclass(frozen=True, kw_only=True)
class SpectralTransport(TunedAligner):
    """Config of the maps taught by a plan.

    Attributes:
        weight: of the spectral part of a fused row.
        time, dim: of the diffusion coordinates. Later times than other methods take: with a plan's many rows the noise
            of small eigenvalues costs more than what they know.
        rounds: of teaching; 0 is the teacher.
        rows: unpaired rows of each side in the plan; cost and memory grow with their square, never with the corpus.
        epsilon: entropy of the plan, in units of the spread of the teacher's scores.
        share: of the unpaired rows in the student's loss; the pairs have the rest.
        ridge: of the student, relative to the mean variance of its columns.
        seed: of the sample and of the cross-validation folds.
    """

    spectral: ClassVar[bool] = True
    name: ClassVar[str] = "the map taught by a transport plan"
    weight: float = 3.0
    time: float = 4.0
    dim: int = 100
    rounds: int = 2
    rows: int = 1500
    epsilon: float = 0.3
    share: float = 0.8
    ridge: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("weight", self.weight, 0, above=True)
        check_range("time", self.time, 0)
        check_range("dim", self.dim, 2)
        check_range("rounds", self.rounds, 0, 20)
        check_range("rows", self.rows, 10, 10_000)
        check_range("epsilon", self.epsilon, 0, above=True)
        check_range("share", self.share, 0, 1)
        check_range("ridge", self.ridge, 0, above=True)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        views = world.spectral()
        fused = [fused_rows(v, self.weight, time=self.time, dim=self.dim) for v in (views.left, views.right)]
        variant = Variant(*fused)
        x = variant.left(views.left.map(_sample(world.left, self.rows, [self.seed, 0])))
        y = variant.right(views.right.map(_sample(world.right, self.rows, [self.seed, 1])))
        return Family(
            views=views,
            variants=(variant,),
            grid=(Candidate(0, self.rounds),),
            path=lambda _, pairs: self._path(pairs, x, y),
            describe=lambda c: {"rounds": c.params},
        )

    def _path(self, pairs: Pairs, x: np.ndarray, y: np.ndarray) -> Build:
        return lambda rounds: self._teach(pairs, x, y, rounds)

    def _teach(self, pairs: Pairs, x: np.ndarray, y: np.ndarray, rounds: int) -> Alignment:
        """Fit on fused rows of the pairs and of the samples ``x`` [N, F1], ``y`` [N', F2]."""
        about = {"pairs": len(pairs), "unpaired": [len(x), len(y)]}
        taught = teacher = _over_spread(_teachers(pairs), x, y)
        for _ in range(rounds):
            plan = _plan(taught.score(x, y), self.epsilon)
            student = self._student(pairs, x, y, plan)
            taught = _over_spread([teacher, student], x, y)
        return Alignment(student.left, student.right, about) if rounds else Alignment(taught.left, taught.right, about)

    def _student(self, pairs: Pairs, x: np.ndarray, y: np.ndarray, plan: np.ndarray) -> Alignment:
        towards_y = plan @ y / plan.sum(axis=1, keepdims=True)
        towards_x = plan.T @ x / plan.sum(axis=0)[:, None]
        there = self._ridge((pairs.left, pairs.right), (x, towards_y))
        back = self._ridge((pairs.right, pairs.left), (y, towards_x))
        left: Transform = Concat([Chain([there, UnitRows()]), UnitRows()])
        right: Transform = Concat([UnitRows(), Chain([back, UnitRows()])])
        return Alignment(left, right)

    def _ridge(self, known: tuple[np.ndarray, np.ndarray], soft: tuple[np.ndarray, np.ndarray]) -> Linear:
        """Weighted ridge regression of the second member of each on the first."""
        weights = (1 - self.share) / len(known[0]), self.share / len(soft[0])
        gram, cross = np.zeros(()), np.zeros(())
        for weight, (a, b) in zip(weights, (known, soft), strict=True):
            rows = a.astype(np.float64)
            gram, cross = gram + weight * rows.T @ rows, cross + weight * rows.T @ b
        gram = gram + self.ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
        return Linear(np.zeros(len(gram)), np.linalg.solve(gram, cross))


def _teachers(pairs: Pairs) -> list[Alignment]:
    ones = np.ones(pairs.left.shape[1]), np.ones(pairs.right.shape[1])
    return [
        ridge_cca.fit_path(pairs, None, ones)((CSA_RIDGE, CSA_GAMMA)),
        kernel_ridge.fit_path(pairs)((SHARPNESS, KERNEL_RIDGE)),
    ]


def _over_spread(members: list[Alignment], x: np.ndarray, y: np.ndarray) -> Alignment:
    """The sum of the members' scores, each over its spread between the samples."""
    spreads = [max(float(m.score(x, y).std()), 1e-12) for m in members]
    return combine(members, [1 / s for s in spreads])


def _plan(scores: np.ndarray, epsilon: float) -> np.ndarray:
    """Balanced entropic plan [N, N'] of scores over their spread."""
    import torch

    from components.transport.config import SinkhornConfig
    from components.transport.sinkhorn import sinkhorn

    scaled = scores / max(float(scores.std()), 1e-12)
    config = SinkhornConfig(epsilon=epsilon, iterations=SINKHORN_SWEEPS, check_every=0)
    return np.asarray(sinkhorn(torch.from_numpy(scaled), config=config).plan.numpy())


def _sample(rows: np.ndarray, count: int, seed: list[int]) -> np.ndarray:
    if len(rows) <= count:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), count, replace=False))]
