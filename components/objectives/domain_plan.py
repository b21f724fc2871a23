"""A target plan that keeps domains together or apart (GCA's use on PACS; Chen et al., NeurIPS 2024).

T_ij = 1 if i = j, else α within a domain and β between domains. It is balanced first: the raw rows have unequal sums,
and KL to it would not fall with the sweeps. A negative α or β repels; then the loss is a weighted cross-entropy, as no
plan has negative mass. What it encodes is the domain: it buys no class accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from components.checks import check_range
from components.objectives.comparison import Projected, compare, plan_metrics, project
from components.objectives.gca_ince import between_views
from components.objectives.protocol import Criterion, GlobalBatch, Scored, check_classes
from components.transport.gradient import balance


@dataclass(frozen=True, kw_only=True)
class DomainPlan(Projected):
    """Config of the domain-aware target; the batch's classes are domains.

    Attributes:
        same: α, wanted match of different rows of a domain.
        other: β, wanted match of rows of different domains.
    """

    among: str = "views"
    same: float = 0.1
    other: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("same", self.same, -1, 1)
        check_range("other", self.other, -1, 1)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _DomainPlan(self)


class _DomainPlan(Criterion):
    labelled = True
    config: DomainPlan

    def forward(self, batch: GlobalBatch) -> Scored:
        domains = check_classes(batch, "domain-plan")
        pairs = compare(batch, "views")
        target = domain_target(domains, self.config.same, self.config.other).to(pairs.scores)
        plan = project(pairs, self.config.sinkhorn())
        logits = pairs.scores / self.config.epsilon
        rows = -(target * (logits + plan.g).log_softmax(1)).sum()
        columns = -(target.T * (logits.T + plan.f).log_softmax(1)).sum()
        return Scored(loss=(rows + columns) / 2, metrics=plan_metrics(plan))

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        return {"plan": between_views(batch, self.config)}


def domain_target(domains: torch.Tensor, same: float, other: float) -> torch.Tensor:
    """T [B, B], balanced to mass 1; with negative entries as it is, over B. A row without a domain (-1) has itself."""
    known = (domains >= 0)[:, None] & (domains >= 0)
    within = domains[:, None] == domains
    target = torch.where(within, same, other) * known
    target.fill_diagonal_(1.0)
    return target / len(domains) if min(same, other) < 0 else balance(target)
