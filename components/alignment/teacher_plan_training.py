"""The steps of teacher-plan refinement: all weights α at once, blocks of unpaired rows shared by the workers.

Letters: ``A`` weights α, ``M`` blocks of a worker, ``B`` rows of a block, ``P`` pairs, ``K`` shared dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from components.alignment.contrastive import SIDES, start_weight, symmetric_info_nce
from components.alignment.heads import MLPHead
from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_cca import canonical_parts
from components.alignment.teacher_plan import Stage, Teacher, TeacherPlan
from components.training import Session, mean_gradients
from components.transforms import Linear
from components.transport.config import SinkhornConfig
from components.transport.gradient import plan_loss, row_loss
from components.transport.sinkhorn import sinkhorn

# The gradient is off by the share of the mass that is not in place yet; a step of the optimiser cannot see this much.
TOLERANCE = 1e-3


def train_heads(
    config: TeacherPlan, teacher: Teacher, rows: tuple[np.ndarray, np.ndarray], pairs: Pairs, session: Session
) -> dict[Stage, Alignment]:
    """Heads of every stage of the config's grid but the teacher, trained on unpaired ``rows`` [N1, D1], [N2, D2]."""
    run = Run(config, teacher, rows, pairs, session)
    found: dict[Stage, Alignment] = {}
    wanted = {stage.steps for stage in config.grid} - {0}
    for step in range(1, max(wanted, default=0) + 1):
        run.step(step)
        if step in wanted:
            found.update({Stage(alpha, step): run.heads(n) for n, alpha in enumerate(run.alphas)})
    return found


class Run:
    """Heads of all α, their optimiser, and where the next blocks come from."""

    def __init__(
        self,
        config: TeacherPlan,
        teacher: Teacher,
        rows: tuple[np.ndarray, np.ndarray],
        pairs: Pairs,
        session: Session,
    ) -> None:
        self.config, self.teacher, self.rows, self.session = config, teacher, rows, session
        self.alphas = sorted({stage.alpha for stage in config.grid})  # 0 first
        self.weights = torch.tensor(self.alphas[1:], device=session.device)
        self.pairs = tuple(self._tensor(getattr(pairs, side)) for side in SIDES)
        self.params = self._start()
        self.optimizer = torch.optim.AdamW(self.params.values(), lr=config.lr, weight_decay=config.weight_decay)

    def _start(self) -> dict[str, torch.Tensor]:
        """The CSA map, once for every α: weights [A, D, K] and offsets [A, 1, K]."""
        params = {}
        for side, part in zip(SIDES, canonical_parts(self.teacher.start), strict=True):
            assert isinstance(part, Linear)
            weight = start_weight(part, min(self.config.dim, part.weight.shape[1]))
            for name, value in (("w1", weight), ("b1", -part.mean[None] @ weight)):
                copies = self._tensor(np.stack([value] * len(self.alphas)))
                params[f"{side}.{name}"] = copies.requires_grad_()
        return params

    def _tensor(self, x: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(self.session.device)

    def step(self, number: int) -> None:
        """One step of every α. The gradient is that of the mean over all blocks, whoever has them."""
        self.optimizer.zero_grad()
        mine = range(self.session.rank, self.config.blocks, self.session.world)
        loss = self.pair_loss().sum()
        if len(self.weights) and mine:
            share = self.session.world / self.config.blocks  # workers' gradients are averaged afterwards
            loss = loss + share * (self.weights * self.plan_loss(number, mine)).sum()
        loss.backward()
        mean_gradients(list(self.params.values()), self.session)
        self.optimizer.step()

    def pair_loss(self) -> torch.Tensor:
        """Symmetric InfoNCE of every α on the pairs. [A]"""
        f, g = (self.head(side, x) for side, x in zip(SIDES, self.pairs, strict=True))
        return symmetric_info_nce(f, g, self.config.temperature)

    def plan_loss(self, step: int, numbers: range) -> torch.Tensor:
        """KL(P* ‖ P) up to a constant, summed over blocks ``numbers`` of a step, of every α above 0. [A - 1]"""
        blocks = [self.block(step, n) for n in numbers]
        target = self.target(blocks)
        sides = [torch.stack([self._tensor(b[n]) for b in blocks]) for n in (0, 1)]
        f, g = (self.head(side, x.flatten(0, 1), first=1) for side, x in zip(SIDES, sides, strict=True))
        f, g = (h.unflatten(1, x.shape[:2]) for h, x in zip((f, g), sides, strict=True))
        return divergence(f @ g.mT, target, self.sinkhorn(self.config.epsilon)).sum(1)

    def block(self, step: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Seeded rows of both sides, the same whichever worker asks. [B, D1], [B, D2]"""
        rng = np.random.default_rng([self.config.seed, step, number])
        left, right = (r[rng.choice(len(r), min(self.config.block, len(r)), replace=False)] for r in self.rows)
        return left, right

    def target(self, blocks: list[tuple[np.ndarray, np.ndarray]]) -> torch.Tensor:
        """The teacher's plans of blocks, [M, B, B]; its score counts as a cosine however many it adds up."""
        coordinates = [(self.teacher.alignment.left(x), self.teacher.alignment.right(y)) for x, y in blocks]
        scores = torch.stack(
            [self._tensor(a @ b.T / np.linalg.norm(a[0]) / np.linalg.norm(b[0])) for a, b in coordinates]
        )
        return sinkhorn(scores, config=self.sinkhorn(self.config.target_epsilon)).plan

    def sinkhorn(self, epsilon: float) -> SinkhornConfig:
        rho = self.config.rho
        sweeps = self.config.sweeps
        return SinkhornConfig(epsilon=epsilon, rho_rows=rho, rho_columns=rho, iterations=sweeps, tolerance=TOLERANCE)

    def head(self, side: str, x: torch.Tensor, first: int = 0) -> torch.Tensor:
        """Unit rows of the heads of α number ``first`` and later ones. [N, D] -> [A - first, N, K]"""
        return F.normalize(x @ self.params[f"{side}.w1"][first:] + self.params[f"{side}.b1"][first:], dim=2)

    def heads(self, which: int) -> Alignment:
        """The heads of one α as they are now."""
        left, right = (
            MLPHead({n: self.params[f"{side}.{n}"][which].detach().cpu().numpy().copy() for n in ("w1", "b1")})
            for side in SIDES
        )
        return Alignment(left, right)


def divergence(scores: torch.Tensor, target: torch.Tensor, config: SinkhornConfig) -> torch.Tensor:
    """KL(target ‖ P), up to a constant, of the plans P of ``scores`` [A, M, B, B]; gradients in closed form. [A, M]

    Balanced, ∂/∂scores is (P - target)/ε with P after the sweeps of ``config`` and a row step, nothing is unrolled;
    unbalanced, that of the converged plan.
    """
    target = target.expand_as(scores)
    if config.balanced:
        return row_loss(scores, target, sinkhorn(scores, config=config))
    return plan_loss(scores, target, config=config).value
