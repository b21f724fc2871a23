"""GCA-UOT: the transport may miss its marginals at a price ρ (Chen et al., NeurIPS 2024).

loss = r₁ · cross-entropy on L + g + r₂ · mean_i [−e^{q (L_{i,t(i)} + g)}/q + e^{q (log λ − f_i)}/q], with the damped
potential g (mean 0, no gradient) and one differentiable row step −f_i = ρ/(ρ+ε) · logsumexp_j (L_ij + g_j).
With r₂ = 0, ρ → 0 is InfoNCE and ρ → ∞ GCA-INCE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from components.checks import check_range
from components.objectives.comparison import Comparison, Projected, compare, plan_metrics, project
from components.objectives.gca_ince import between_views, biased_cross_entropy
from components.objectives.protocol import Criterion, GlobalBatch, Scored
from components.objectives.rince import rince
from components.transport.plan import EntropicPlan


@dataclass(frozen=True, kw_only=True)
class GCAUOT(Projected):
    """Config of GCA-UOT.

    Attributes:
        rho: price of mass that is missing or in excess, the same on both sides.
        entropy_part, robust_part: r₁ and r₂.
        q, weight: of the robust part, as of RINCE.
    """

    rho: float = 0.2
    entropy_part: float = 1.0
    robust_part: float = 0.02
    q: float = 0.6
    weight: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("rho", self.rho, 0, above=True)
        check_range("entropy_part", self.entropy_part, 0)
        check_range("robust_part", self.robust_part, 0)
        check_range("q", self.q, 0, 1, above=True)
        check_range("weight", self.weight, 0, above=True)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _GCAUOT(self)


class _GCAUOT(Criterion):
    config: GCAUOT

    def forward(self, batch: GlobalBatch) -> Scored:
        config = self.config
        pairs = compare(batch, config.among)
        plan = project(pairs, config.sinkhorn(config.rho))
        loss = config.entropy_part * biased_cross_entropy(pairs, plan)
        if config.robust_part:
            loss = loss + config.robust_part * self._robust(pairs, plan)
        return Scored(loss=loss, metrics=plan_metrics(plan) | {"rho": config.rho})

    def _robust(self, pairs: Comparison, plan: EntropicPlan) -> torch.Tensor:
        config, logits = self.config, (pairs.scores - 1) / self.config.epsilon
        return rince(
            pairs,
            logits + plan.column_bias(),
            config.q,
            config.weight,
            lambda: logits.T + plan.row_bias(),
            damping=config.rho / (config.rho + config.epsilon),
        )

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        return {"plan": between_views(batch, self.config, self.config.rho)}
