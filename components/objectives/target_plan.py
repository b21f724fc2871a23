"""KL(T ‖ P) to an arbitrary target plan T: soft matches, several positives, rows without any.

T comes with the batch ([B, B], first view to second; the identity if there is none). A row of zeros is unpaired: the
transport is unbalanced, so it need not be matched. Gradients are exact (implicit function), for any T.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from components.checks import check_range
from components.errors import UserError
from components.objectives.comparison import compare, plan_metrics
from components.objectives.protocol import Criterion, GlobalBatch, Scored
from components.transport.config import SinkhornConfig
from components.transport.gradient import PlanLoss, plan_loss


@dataclass(frozen=True, kw_only=True)
class TargetPlan:
    """Config of the loss to a target plan.

    Attributes:
        epsilon: of the transport.
        rho: price of missing mass on both sides; None is balanced, for targets with equal row and column sums.
        iterations, tolerance: of Sinkhorn.
    """

    epsilon: float = 0.2
    rho: float | None = 0.5
    iterations: int = 200
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        check_range("rho", self.rho, 0, above=True, optional=True)
        self.sinkhorn()

    def sinkhorn(self) -> SinkhornConfig:
        """Settings of the transport."""
        return SinkhornConfig(
            epsilon=self.epsilon,
            rho_rows=self.rho,
            rho_columns=self.rho,
            iterations=self.iterations,
            tolerance=self.tolerance,
        )

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _TargetPlan(self)


class _TargetPlan(Criterion):
    config: TargetPlan

    def forward(self, batch: GlobalBatch) -> Scored:
        found = self._loss(batch)
        metrics = plan_metrics(found.plan) | {"divergence": found.divergence, "converged": found.plan.converged.float()}
        return Scored(loss=found.value, metrics=metrics)

    def _loss(self, batch: GlobalBatch) -> PlanLoss:
        scores = compare(batch, "views").scores
        return plan_loss(scores, unit_target(batch, scores), config=self.config.sinkhorn())

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        return {"plan": self._loss(batch).plan.plan.cpu().numpy()}


def unit_target(batch: GlobalBatch, scores: torch.Tensor) -> torch.Tensor:
    """The batch's plan scaled to mass 1; the identity's if it has none.

    Raises:
        UserError: not [B, B], negative or non-finite entries, all zero.
    """
    count = len(scores)
    if batch.plan is None:
        return torch.eye(count, device=scores.device, dtype=scores.dtype) / count
    if batch.plan.shape != scores.shape:
        raise UserError(f"a target plan of {list(batch.plan.shape)} for a batch of {count} rows", do="give [B, B]")
    target = batch.plan.detach().to(scores)
    if not bool((target.isfinite() & (target >= 0)).all()) or not bool(target.any()):
        raise UserError("the target plan must be finite, not negative and not all zero")
    return target / target.sum()
