"""Probes of a frozen encoder on held-out items: what a simple reader gets out of its vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluation.intervals import bootstrap_interval
from components.evaluation.representation import (
    alignment_of,
    effective_rank,
    knn_hits,
    linear_hits,
    majority_hits,
    singular_spectrum,
    uniformity_of,
)


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """Vectors of a frozen encoder.

    Attributes:
        train, test: of training rows [N, D] and of held-out rows [T, D].
        train_classes, test_classes: class of each of them, -1 for none. [N], [T]
        views: of two random views of each held-out row, or None. [2, T, D]
    """

    train: np.ndarray
    test: np.ndarray
    train_classes: np.ndarray
    test_classes: np.ndarray
    views: np.ndarray | None = None


def probe(frozen: Frozen, *, seed: int = 0) -> dict[str, Any]:
    """All probes as JSON; those of classes are left out where fewer than two classes are known.

    Effective rank, spectrum and uniformity are of the held-out rows. Accuracies are shares of the held-out rows whose
    class occurs among the training rows, with 95 % bootstrap intervals over these rows.
    """
    spectrum = singular_spectrum(frozen.test)
    found: dict[str, Any] = {
        "effective_rank": effective_rank(frozen.test),
        "spectrum": spectrum.tolist(),
        "uniformity": uniformity_of(frozen.test),
    }
    if frozen.views is not None:
        found["alignment"] = alignment_of(frozen.views[0], frozen.views[1])
    kept, asked = frozen.train_classes >= 0, frozen.test_classes >= 0
    if len(np.unique(frozen.train_classes[kept])) < 2 or not asked.any():
        return found
    rows, classes = frozen.train[kept], frozen.train_classes[kept]
    queries, truth = frozen.test[asked], frozen.test_classes[asked]
    hits = {
        "knn": knn_hits(rows, classes, queries, truth),
        "linear": linear_hits(rows, classes, queries, truth),
        "majority": majority_hits(classes, truth),
    }
    return found | {name: _share(h, seed) for name, h in hits.items()}


def _share(hits: np.ndarray, seed: int) -> dict[str, float]:
    interval = bootstrap_interval(hits.astype(np.float64), lambda values: float(values.mean()), seed=seed)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "rows": interval.num}
