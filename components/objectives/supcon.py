"""SupCon (Khosla et al., NeurIPS 2020): all views of a row's class are its positives.

mean_i mean_{p ∈ P(i)} [−L_ip + logsumexp_{j ≠ i} L_ij], over all 2B views. A row without a label has its own other view
as its only positive (as in SimCLR). With one class in the batch every view is a positive: the loss then only evens out
similarities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from components.checks import check_range
from components.objectives.comparison import compare
from components.objectives.protocol import Criterion, GlobalBatch, Scored, check_classes, check_num_classes


@dataclass(frozen=True, kw_only=True)
class SupCon:
    """Config of SupCon; ``epsilon`` is its temperature."""

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, above=True)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        check_num_classes(num_classes, "supcon")
        return _SupCon(self)


class _SupCon(Criterion):
    labelled = True
    config: SupCon

    def forward(self, batch: GlobalBatch) -> Scored:
        classes = check_classes(batch, "supcon")
        pairs = compare(batch, "all")
        logits = pairs.scores / self.config.epsilon
        positives = same_class(classes)
        log_share = torch.where(positives, logits, 0) - logits.logsumexp(1, keepdim=True)
        loss = -(log_share * positives).sum(1) / positives.sum(1)
        return Scored(loss=loss.mean(), metrics={"epsilon": self.config.epsilon})


def same_class(classes: torch.Tensor) -> torch.Tensor:
    """Which of the 2B views are positives of each other: same class, or same row; never itself. [2B, 2B]"""
    count = len(classes)
    twice = classes.repeat(2)
    row = torch.arange(count, device=classes.device).repeat(2)
    same = (twice[:, None] == twice) & (twice >= 0) | (row[:, None] == row)
    return same & ~torch.eye(2 * count, dtype=torch.bool, device=classes.device)
