"""InfoNCE (van den Oord et al. 2018; NT-Xent of SimCLR, Chen et al. 2020; CLIP, Radford et al. 2021).

mean_i [−L_{i,t(i)} + logsumexp_j L_ij] with L = cosines/ε: KL from the positives to the first half-step of Sinkhorn.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.objectives.comparison import Contrast, compare, cross_entropy
from components.objectives.protocol import Criterion, GlobalBatch, Scored


@dataclass(frozen=True, kw_only=True)
class InfoNCE(Contrast):
    """Config of InfoNCE: ``epsilon``, ``among``."""

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _InfoNCE(self)


class _InfoNCE(Criterion):
    def __init__(self, config: InfoNCE) -> None:
        super().__init__()
        self.config = config

    def forward(self, batch: GlobalBatch) -> Scored:
        pairs = compare(batch, self.config.among)
        logits = pairs.scores / self.config.epsilon
        loss = cross_entropy(logits, pairs.positives)
        if not pairs.one_sided:
            loss = pairs.both_ways(loss, cross_entropy(logits.T, pairs.positives))
        return Scored(loss=loss, metrics={"epsilon": self.config.epsilon})
