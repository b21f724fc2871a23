"""Settings of the MMD net. Imports nothing heavy: recipes read it."""

from __future__ import annotations

from dataclasses import dataclass

from components.checks import check_range
from components.errors import UserError


@dataclass(frozen=True, kw_only=True)
class MMDConfig:
    """SUE's residual net (arXiv 2505.21524 §3; three hidden layers of 128 in the paper).

    Attributes:
        widths: hidden layers.
        batch: rows of each side in a *global* batch.
        learning_rate: of AdamW.
        epochs: passes over the smaller side.
        pair_weight: weight of the mean squared distance of known pairs; 0 as published.
        validation_fraction: rows of each side kept back to choose the epoch, and as many again to report on.
        bandwidths: Gaussian kernels, as multiples of the mean squared distance within the joint batch.
    """

    widths: tuple[int, ...] = (128, 128, 128)
    batch: int = 128
    learning_rate: float = 1e-3
    epochs: int = 30
    pair_weight: float = 0.0
    validation_fraction: float = 0.1
    bandwidths: tuple[float, ...] = (0.5, 1.0, 2.0)

    def __post_init__(self) -> None:
        for name in ("widths", "bandwidths"):
            if not getattr(self, name):
                raise UserError(f"{name} is empty", where=f"mmd.{name}", do="give one or more")
        for width in self.widths:
            check_range("mmd.widths", width, 1)
        for bandwidth in self.bandwidths:
            check_range("mmd.bandwidths", bandwidth, 0, above=True)
        check_range("mmd.batch", self.batch, 2)
        check_range("mmd.learning_rate", self.learning_rate, 0, above=True)
        check_range("mmd.epochs", self.epochs, 1)
        check_range("mmd.pair_weight", self.pair_weight, 0)
        check_range("mmd.validation_fraction", self.validation_fraction, 0, 0.4, above=True, below=True)
