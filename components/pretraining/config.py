"""How an encoder is trained: everything that decides the weights, apart from the data and the objective."""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.checks import check_one_of, check_range

OPTIMIZERS = ("adamw", "sgd")
STOPS = ("loss", "probe", "never")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """The projection head: on top of the backbone while it is trained, no part of the exported encoder.

    Attributes:
        hidden: width of its hidden layer.
        dim: width of its output; objectives that classify have one output a class instead.
    """

    hidden: int = 256
    dim: int = 64

    def __post_init__(self) -> None:
        check_range("hidden", self.hidden, 1)
        check_range("dim", self.dim, 1)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Optimisation.

    Attributes:
        batch: global batch, rows; each row is seen in as many views as the objective wants.
        each: rows of a class in a batch, for objectives that learn from labels.
        epochs: at most.
        accumulate: parts of a worker's batch that go through the network one after the other. The loss is that of the
            whole batch all the same (Gao et al., "Scaling deep contrastive learning batch size under memory limited
            setup", 2021): it costs a second forward pass, and no result. With batch norms it changes their statistics.
        optimizer: ``adamw`` or ``sgd`` (Nesterov, momentum 0.9).
        learning_rate: at its peak, after ``warmup`` epochs; then half a cosine down to zero.
        weight_decay: on matrices and kernels, not on norms and biases.
        ema: momentum of the averaged target network at the start, for objectives that have one; it rises to 1.
        stop: what chooses the epoch that is kept: the validation ``loss``, the ``probe`` (accuracy of the nearest
            neighbours of validation rows), or ``never`` (the last epoch).
        patience: epochs without a better one after which training ends.
        precision: ``bfloat16`` autocast, ``float32``, or ``auto``: bfloat16 on an accelerator.
    """

    batch: int = 256
    each: int = 8
    epochs: int = 20
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup: float = 2.0
    ema: float = 0.99
    stop: str = "loss"
    patience: int = 10
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "accumulate", "patience"):
            check_range(name, getattr(self, name), 1)
        check_range("each", self.each, 2)
        check_range("learning_rate", self.learning_rate, 0, above=True)
        check_range("weight_decay", self.weight_decay, 0)
        check_range("warmup", self.warmup, 0)
        check_range("ema", self.ema, 0, 1)
        for name, allowed in (("optimizer", OPTIMIZERS), ("stop", STOPS), ("precision", PRECISIONS)):
            check_one_of(name, getattr(self, name), allowed)

    def rate_at(self, epoch: float) -> float:
        """Learning rate at a point in time, in epochs: linear warm-up, then half a cosine."""
        if epoch < self.warmup:
            return self.learning_rate * epoch / self.warmup
        progress = (epoch - self.warmup) / max(self.epochs - self.warmup, 1e-9)
        return self.learning_rate * (1 + math.cos(math.pi * min(progress, 1.0))) / 2

    def ema_at(self, epoch: float) -> float:
        """Momentum of the target network: from ``ema`` to 1 on half a cosine (Grill et al., BYOL, NeurIPS 2020)."""
        return 1 - (1 - self.ema) * (1 + math.cos(math.pi * min(epoch / self.epochs, 1.0))) / 2
