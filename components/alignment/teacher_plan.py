"""Teacher-plan refinement: linear heads learn from the pairs and from a teacher's plan between unpaired rows (KLOT,
SOTAlign, arXiv 2602.23353; = GCA, arXiv 2502.20141, with a general target plan).

Teacher: CSA or kernel ridge of the pairs, whichever cross-validates better. On blocks of unpaired rows its scores give
the target P* = OT_ε*(teacher); heads F, G, started from the CSA map, minimise L_pairs + α KL(P* ‖ OT_ε(F Gᵀ)), L_pairs
symmetric InfoNCE. The teacher itself and α = 0 are always candidates, so that refinement has to pay on held-out pairs:
it does where the relation is nearly linear (two drawings of an emoji, two languages), not between pictures and texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from components.alignment import ridge_cca
from components.alignment.checks import check_fit
from components.alignment.families import csa_family, kernel_ridge_family
from components.alignment.nested import Tuned, tune
from components.alignment.protocol import Alignment, Pairs
from components.alignment.selection import at_most
from components.alignment.tuned import (
    Build,
    Family,
    Ground,
    TunedAligner,
    Unpaired,
    make_ground,
    raw_family,
)
from components.checks import check_range
from components.errors import UserError

if TYPE_CHECKING:
    from components.training import Session

TEACHERS = {"csa": csa_family, "kernel-ridge": kernel_ridge_family}


class Stage(NamedTuple):
    """A candidate: heads after ``steps`` steps with weight ``alpha`` of the plans; no steps: the teacher."""

    alpha: float
    steps: int


@dataclass(frozen=True, kw_only=True)
class TeacherPlan(TunedAligner):
    """Config of teacher-plan refinement.

    Attributes:
        dim: shared dimensions of the heads at most.
        alphas: candidates for the weight of the plans; 0 is always tried.
        steps: candidates for the number of steps; 0, the teacher alone, is always tried first.
        teachers: candidates: ``csa``, ``kernel-ridge``.
        block: unpaired rows of each side that share a plan; memory is quadratic in it.
        blocks: plans of a step; workers share them, so that more rows a step need more workers, not more memory.
        epsilon, target_epsilon: entropy ε of the heads' plan and ε* of the teacher's, in units of the cosine.
        rho: price of a row's mass that stays unmatched; None matches all of it (balanced).
        sweeps: of Sinkhorn for either plan at most.
        temperature: of InfoNCE on the pairs.
        lr, weight_decay: of AdamW.
        max_pairs: of more pairs a seeded sample is used, as every step compares all with all.
        seed: of blocks and of the cross-validation folds.
    """

    name: ClassVar[str] = "teacher-plan refinement"
    needed: ClassVar[int] = 5
    dim: int = 128
    alphas: tuple[float, ...] = (1.0,)
    steps: tuple[int, ...] = (15, 45)
    teachers: tuple[str, ...] = ("csa", "kernel-ridge")
    block: int = 256
    blocks: int = 2
    epsilon: float = 0.1
    target_epsilon: float = 0.02
    rho: float | None = None
    sweeps: int = 30
    temperature: float = 0.1
    lr: float = 0.001
    weight_decay: float = 0.1
    max_pairs: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "blocks", "sweeps"):
            check_range(name, getattr(self, name), 1)
        check_range("block", self.block, 2, 32_768)
        for alpha in self.alphas:
            check_range("alphas", alpha, 0)
        for steps in self.steps:
            check_range("steps", steps, 0, 100_000)
        if not self.teachers or not set(self.teachers) <= set(TEACHERS):
            raise UserError(f"{self.teachers!r} is not allowed", where="teachers", do=f"choose from {[*TEACHERS]}")
        for name in ("epsilon", "target_epsilon", "temperature", "lr"):
            check_range(name, getattr(self, name), 0, above=True)
        check_range("rho", self.rho, 0, above=True, optional=True)
        check_range("weight_decay", self.weight_decay, 0)
        check_range("max_pairs", self.max_pairs, 10)

    @property
    def grid(self) -> tuple[Stage, ...]:
        """Candidates from the simplest on: of equal scores the first wins."""
        alphas, steps = sorted({0.0, *self.alphas}), sorted({*self.steps} - {0})
        return (Stage(0.0, 0), *(Stage(a, s) for a in alphas for s in steps))

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        return self.family_in(None, world, dims)

    def fit_in(self, session: Session, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """As :meth:`fit`, the steps shared by the workers of ``session``; all of them get the same result."""
        return _InSession(self, session).fit(left, right, pairs)

    def family_in(self, session: Session | None, world: Unpaired, dims: tuple[int, int]) -> Family:
        """The family whose steps are run in ``session`` (None: in this process)."""
        ground = make_ground(world.left, world.right, seed=self.seed)

        def fit(pairs: Pairs) -> Build:
            return self._path(session, ground, at_most(pairs, self.max_pairs, self.seed))

        return raw_family(dims, self.grid, Stage._fields, fit)

    def _path(self, session: Session | None, ground: Ground, pairs: Pairs) -> Build:
        """The result builds the alignment of any :class:`Stage`; all stages are trained at once, when one is wanted."""
        teacher = choose_teacher(self.teachers, ground, pairs, self.seed)
        trained: dict[Stage, Alignment] = {}

        def build(stage: Stage) -> Alignment:
            if stage.steps == 0 or not (len(ground.full.left) and len(ground.full.right)):
                return Alignment(teacher.alignment.left, teacher.alignment.right, teacher.facts)
            if not trained:
                from components.alignment.teacher_plan_training import train_heads
                from components.training import LocalSession

                rows = (ground.full.left, ground.full.right)
                trained.update(train_heads(self, teacher, rows, pairs, session or LocalSession()))
            fitted = trained[stage]
            return Alignment(fitted.left, fitted.right, {**fitted.diagnostics, **teacher.facts})

        return build


@dataclass(frozen=True)
class _InSession:
    """A :class:`TeacherPlan` whose family trains in a session."""

    config: TeacherPlan
    session: Session

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        check_fit(left, right, pairs, needed=self.config.needed, why=self.config.name)
        ground = make_ground(left, right, seed=self.config.seed)
        return tune(self.family, ground, pairs, seed=self.config.seed).alignment

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        return self.config.family_in(self.session, world, dims)


@dataclass(frozen=True)
class Teacher:
    """A map of the pairs.

    Attributes:
        alignment: scores blocks of unpaired rows.
        start: CSA map of the same pairs, from which the heads start.
        facts: which method it is, and its hyperparameters.
    """

    alignment: Alignment
    start: Alignment
    facts: dict[str, Any]


def choose_teacher(names: tuple[str, ...], ground: Ground, pairs: Pairs, seed: int) -> Teacher:
    """The best of ``names`` by cross-validation on ``pairs``; of equals the first."""
    tuned = {name: tune(TEACHERS[name], ground, pairs, seed=seed) for name in dict.fromkeys(("csa", *names))}
    best = max(names, key=lambda name: round(_score(tuned[name]), 9))
    csa = tuned["csa"].alignment.diagnostics
    start = ridge_cca.fit_path(pairs)((csa["ridge"], csa["gamma"]))
    kept = {k: v for k, v in tuned[best].alignment.diagnostics.items() if k not in {"cv", "canonical_correlations"}}
    return Teacher(tuned[best].alignment, start, {"teacher": best, **kept})


def _score(tuned: Tuned) -> float:
    return max(float(row["score"]) for row in tuned.alignment.diagnostics["cv"])
