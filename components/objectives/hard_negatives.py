"""InfoNCE or GCA-INCE with hard negatives (after Robinson et al., ICLR 2021): similar negatives weigh more.

K_ij ← K_ij e^{β L_ij} for every j but the positive, before the projection. β = 0 changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from components.checks import check_range
from components.objectives.comparison import Comparison, Contrast, compare, plan_metrics, project
from components.objectives.gca_ince import GCAINCE, between_views, biased_cross_entropy
from components.objectives.protocol import Criterion, GlobalBatch, Scored


@dataclass(frozen=True, kw_only=True)
class HardNegatives(Contrast):
    """Config of the tilted loss.

    Attributes:
        beta: strength of the tilt.
        iterations: sweeps of Sinkhorn after the tilt; 0 is InfoNCE.
        domain: of Sinkhorn.
    """

    beta: float = 0.5
    iterations: int = 0
    domain: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("beta", self.beta, 0)
        check_range("iterations", self.iterations, 0)
        self.projected()

    def projected(self) -> GCAINCE:
        """Settings of the projection (of one sweep if there is none)."""
        sweeps = max(1, self.iterations)
        return GCAINCE(epsilon=self.epsilon, among=self.among, iterations=sweeps, domain=self.domain)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _HardNegatives(self)


class _HardNegatives(Criterion):
    config: HardNegatives

    def forward(self, batch: GlobalBatch) -> Scored:
        config = self.config
        pairs = tilted(compare(batch, config.among), config.beta)
        if config.iterations:
            plan = project(pairs, config.projected().sinkhorn())
            return Scored(loss=biased_cross_entropy(pairs, plan), metrics=plan_metrics(plan))
        return Scored(loss=pairs.cross_entropy(pairs.scores / config.epsilon), metrics={"epsilon": config.epsilon})

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        return {"plan": between_views(batch, self.config.projected())}


def tilted(pairs: Comparison, beta: float) -> Comparison:
    """Scores with (1 + β) times those of all negatives."""
    positive = torch.zeros_like(pairs.scores, dtype=torch.bool).scatter_(1, pairs.positives[:, None], True)
    return replace(pairs, scores=torch.where(positive, pairs.scores, (1 + beta) * pairs.scores))
