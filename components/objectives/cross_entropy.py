"""Cross-entropy: the plain supervised classifier, the control of everything that learns from labels.

The head has one output a class; rows without a label do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from components.checks import check_range
from components.errors import UserError
from components.objectives.protocol import Criterion, GlobalBatch, Scored, check_classes, check_num_classes


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """Config of cross-entropy; ``smoothing`` is the share of the target that all classes get alike."""

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_range("smoothing", self.smoothing, 0, 0.5)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        check_num_classes(num_classes, "cross-entropy")
        return _CrossEntropy(self, num_classes)


class _CrossEntropy(Criterion):
    config: CrossEntropy
    labelled, classifies = True, True

    def __init__(self, config: CrossEntropy, num_classes: int) -> None:
        super().__init__(config)
        self.num_classes = num_classes

    def forward(self, batch: GlobalBatch) -> Scored:
        classes = check_classes(batch, "cross-entropy")
        views, _, width = batch.z.shape
        if width != self.num_classes:
            raise UserError(f"{width} outputs for {self.num_classes} classes", do="give the head one output a class")
        logits, wanted = batch.z.flatten(0, 1), classes.repeat(views)
        if logits.dtype != torch.float64:
            logits = logits.float()
        loss = torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-1, label_smoothing=self.config.smoothing)
        right = (logits.argmax(1) == wanted)[wanted >= 0].float().mean()
        return Scored(loss=loss, metrics={"batch_accuracy": right})
