"""Whether probabilities mean what they say: reliability diagram, expected calibration error, Brier score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluation.intervals import wilson_interval

NUM_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Predictions that lie together: their mean, the share that came true with its 95 % interval, and their number."""

    predicted: float
    observed: float
    low: float
    high: float
    num: int


@dataclass(frozen=True)
class Reliability:
    """How well probabilities fit what happened.

    Attributes:
        bins: of about equally many predictions, from small to large.
        ece: expected calibration error: mean over predictions of |predicted - observed| of their bin.
        brier: mean squared error.
        brier_base: the same if the overall share were always predicted.
        mean, rate: mean prediction, share that came true.
        num: predictions.
    """

    bins: list[Bin]
    ece: float
    brier: float
    brier_base: float
    mean: float
    rate: float
    num: int

    def to_json(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in ("ece", "brier", "brier_base", "mean", "rate", "num")}
        return {**numbers, "bins": [vars(b) for b in self.bins]}


def reliability(predicted: np.ndarray, right: np.ndarray, *, num_bins: int = NUM_BINS) -> Reliability:
    """Compare probabilities [n] with what happened [n] (0 or 1). Raises ValueError for no prediction."""
    if len(predicted) == 0:
        raise ValueError("no predictions to compare")
    right = np.asarray(right, dtype=np.float64)
    parts = [p for p in np.array_split(np.argsort(predicted, kind="stable"), num_bins) if len(p)]
    bins = [_bin(predicted[p], right[p]) for p in parts]
    rate = float(right.mean())
    return Reliability(
        bins=bins,
        ece=float(sum(b.num * abs(b.predicted - b.observed) for b in bins) / len(right)),
        brier=float(((predicted - right) ** 2).mean()),
        brier_base=rate * (1 - rate),
        mean=float(predicted.mean()),
        rate=rate,
        num=len(right),
    )


def _bin(predicted: np.ndarray, right: np.ndarray) -> Bin:
    low, high = wilson_interval(float(right.sum()), len(right))
    return Bin(float(predicted.mean()), float(right.mean()), low, high, len(right))
