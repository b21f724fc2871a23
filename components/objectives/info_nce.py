"""InfoNCE (van den Oord et al. 2018; NT-Xent of SimCLR, Chen et al. 2020; CLIP, Radford et al. 2021).

mean_i [−L_{i,t(i)} + logsumexp_j L_ij] with L = cosines/ε: KL from the positives to the first half-step of Sinkhorn.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.objectives.comparison import Contrast, compare
from components.objectives.protocol import Criterion, GlobalBatch, Scored


@dataclass(frozen=True, kw_only=True)
class InfoNCE(Contrast):
    """Config of InfoNCE: ``epsilon``, ``among``."""

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _InfoNCE(self)


class _InfoNCE(Criterion):
    config: InfoNCE

    def forward(self, batch: GlobalBatch) -> Scored:
        pairs = compare(batch, self.config.among)
        logits = pairs.scores / self.config.epsilon
        return Scored(loss=pairs.cross_entropy(logits), metrics={"epsilon": self.config.epsilon})
