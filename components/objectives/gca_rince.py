"""GCA-RINCE: RINCE on the logits plus the columns' potential (Chen et al., NeurIPS 2024).

diag(P)/u = K v and 1/u = K v make the paper's loss RINCE of L + g. The constant that may move between f and g would
change its value, so g has mean 0. That it bounds RINCE from below, as the poster says, does not hold in general.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.objectives.comparison import Projected, compare, plan_metrics, project
from components.objectives.gca_ince import between_views
from components.objectives.protocol import Criterion, GlobalBatch, Scored
from components.objectives.rince import RINCE, rince


@dataclass(frozen=True, kw_only=True)
class GCARINCE(Projected, RINCE):
    """Config of GCA-RINCE: those of :class:`RINCE`, and ``iterations`` and ``domain``."""

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _GCARINCE(self)


class _GCARINCE(Criterion):
    config: GCARINCE

    def forward(self, batch: GlobalBatch) -> Scored:
        config = self.config
        pairs = compare(batch, config.among)
        plan = project(pairs, config.sinkhorn())
        logits = (pairs.scores - 1) / config.epsilon
        biased = logits + plan.column_bias()
        loss = rince(pairs, biased, config.q, config.weight, lambda: logits.T + plan.row_bias())
        return Scored(loss=loss, metrics=plan_metrics(plan))

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        return {"plan": between_views(batch, self.config)}
