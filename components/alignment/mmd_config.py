"""Settings of the MMD net. Imports nothing heavy: recipes read it."""

from __future__ import annotations

from dataclasses import dataclass

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
        checks = (
            ("widths", bool(self.widths) and min(self.widths, default=0) >= 1, "one or more layers, each 1 or wider"),
            ("batch", self.batch >= 2, "2 or more"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("epochs", self.epochs >= 1, "1 or more"),
            ("pair_weight", self.pair_weight >= 0, "0 or more"),
            ("validation_fraction", 0 < self.validation_fraction < 0.4, "between 0 and 0.4"),
            ("bandwidths", bool(self.bandwidths) and min(self.bandwidths, default=0) > 0, "one or more, above 0"),
        )
        for name, good, allowed in checks:
            if not good:
                raise UserError(f"{name} is {getattr(self, name)}", where=f"mmd.{name}", do=f"allowed: {allowed}")
