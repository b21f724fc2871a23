"""GCA-INCE: InfoNCE after many steps of Sinkhorn (Chen et al., NeurIPS 2024), without unrolling it.

The loss KL(target ‖ P) is a cross-entropy on the logits plus the columns' potential g, found without gradient:
InfoNCE with a bias per column that takes back what hubs win. Its gradient is (P − target)/ε.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from components.objectives.comparison import Comparison, Projected, compare, plan_metrics, project
from components.objectives.protocol import Criterion, GlobalBatch, Scored
from components.transport.plan import EntropicPlan


@dataclass(frozen=True, kw_only=True)
class GCAINCE(Projected):
    """Config of GCA-INCE: ``epsilon``, ``among``, ``iterations``, ``domain``."""

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _GCAINCE(self)


class _GCAINCE(Criterion):
    config: GCAINCE

    def forward(self, batch: GlobalBatch) -> Scored:
        pairs = compare(batch, self.config.among)
        plan = project(pairs, self.config.sinkhorn())
        return Scored(loss=biased_cross_entropy(pairs, plan), metrics=plan_metrics(plan))

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        return {"plan": between_views(batch, self.config)}


def biased_cross_entropy(pairs: Comparison, plan: EntropicPlan) -> torch.Tensor:
    """Cross-entropy on L + g over rows and, unless one-sided, Lᵀ + f over columns; each fixes one potential."""
    logits = pairs.scores / plan.epsilon
    return pairs.cross_entropy(logits + plan.g, lambda: logits.T + plan.f)


def between_views(batch: GlobalBatch, config: Projected, rho: float | None = None) -> Any:
    """The plan from the first view to the second, for a heat map. [B, B] numpy"""
    return project(compare(batch, "views"), config.sinkhorn(rho)).plan.cpu().numpy()
