"""Canonical correlations that mean something: on held-out pairs, and against permuted pairs.

In-sample ones do not: CCA of two independent Gaussian matrices with 30 columns has a first canonical correlation of
.90 at 100 rows. Letters: ``P`` pairs, ``T`` held-out pairs, ``r`` canonical dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_cca import canonical_parts


@dataclass(frozen=True)
class Band:
    """2.5 % and 97.5 % quantiles and mean of each dimension's correlation under permuted pairs, [r] each."""

    low: list[float]
    mean: list[float]
    high: list[float]

    @classmethod
    def of(cls, values: np.ndarray) -> Band:
        """From ``values`` [num_permutations, r]."""
        low, high = np.quantile(values, [0.025, 0.975], axis=0)
        return cls(*(column.tolist() for column in (low, values.mean(axis=0), high)))


@dataclass(frozen=True)
class CanonicalNull:
    """Bands of the in-sample and of the held-out correlations when the pairs are permuted and refitted."""

    in_sample: Band
    heldout: Band

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def heldout_correlations(alignment: Alignment, heldout: Pairs) -> np.ndarray:
    """Pearson correlation of each canonical coordinate over held-out pairs. [r]; 0 for a constant coordinate."""
    left, right = canonical_parts(alignment)
    return column_correlations(left(heldout.left), right(heldout.right))


def column_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation of column c of ``a`` [T, r] with column c of ``b`` [T, r]. [r]; 0 where one is constant."""
    a, b = (x.astype(np.float64) - x.mean(axis=0, dtype=np.float64) for x in (a, b))
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), scale, out=np.zeros_like(scale), where=scale > 0)


def permutation_null(
    fit: Callable[[Pairs], Alignment], pairs: Pairs, heldout: Pairs, *, seed: int, num_permutations: int = 100
) -> CanonicalNull:
    """Refit ridge CCA on permuted pairs.

    Args:
        fit: fits with fixed hyperparameters.
        pairs: the known pairs; their right rows are permuted.
        heldout: true held-out pairs, left as they are.
    """
    rng = np.random.default_rng(seed)
    inside, outside = [], []
    for _ in range(num_permutations):
        alignment = fit(Pairs(pairs.left, pairs.right[rng.permutation(len(pairs))]))
        inside.append(np.array(alignment.diagnostics["canonical_correlations"]))
        outside.append(heldout_correlations(alignment, heldout))
    return CanonicalNull(Band.of(_rectangle(inside)), Band.of(_rectangle(outside)))


def noise_edge(columns: int, pairs: int) -> float:
    """Largest canonical correlation of two independent Gaussian matrices [P, K] as both grow: 2√(g(1-g)), g = K/P
    (Wachter 1980). 1 from g = 1/2 on."""
    g = columns / pairs
    return 1.0 if g >= 0.5 else float(2 * np.sqrt(g * (1 - g)))


def _rectangle(rows: list[np.ndarray]) -> np.ndarray:
    """Stack, cut to the shortest: a permutation may have a lower rank."""
    shortest = min(len(r) for r in rows)
    return np.stack([r[:shortest] for r in rows])
