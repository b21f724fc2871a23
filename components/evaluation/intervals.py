"""95 % intervals: over pair draws (Student's t) and over queries of one draw (bootstrap)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
Z = 1.959964  # of the normal distribution at this level


@dataclass(frozen=True)
class Interval:
    """``mean`` and the bounds of its 95 % interval; ``num`` values went into it."""

    mean: float
    low: float
    high: float
    num: int

    def to_json(self) -> dict[str, float]:
        return {"mean": self.mean, "low": self.low, "high": self.high, "num": self.num}


def t_interval(values: np.ndarray, *, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """Mean of ``values`` [n] and mean ± t_{.975, n-1} s/√n, cut to the quantity's natural ``bounds``.

    Over pair draws it says how much depends on which pairs were known; the gallery is the same in all of them. One
    value has no spread: its interval is itself. Raises ValueError for no value.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("no values to average")
    mean = float(values.mean())
    if len(values) == 1:
        return Interval(mean, mean, mean, 1)
    from scipy.stats import t

    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, max(mean - half, bounds[0]), min(mean + half, bounds[1]), len(values))


def bootstrap_interval(
    values: np.ndarray, statistic: Callable[[np.ndarray], float], *, seed: int, num_resamples: int = 1000
) -> Interval:
    """Percentile bootstrap of ``statistic`` over queries ``values`` [T] of one draw. ``mean`` is the statistic itself.

    Raises ValueError for no value.
    """
    if len(values) == 0:
        raise ValueError("no values to resample")
    rng = np.random.default_rng(seed)
    draws = [statistic(values[rng.integers(len(values), size=len(values))]) for _ in range(num_resamples)]
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(statistic(values)), float(low), float(high), len(values))


def wilson_interval(hits: float, num: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (1927), in 0..1: not empty at no hits, nor at hits only.

    Raises ValueError for ``num`` below 1.
    """
    if num < 1:
        raise ValueError("no trial to take a share of")
    share, z2 = hits / num, Z * Z
    centre = (share + z2 / (2 * num)) / (1 + z2 / num)
    half = Z / (1 + z2 / num) * np.sqrt(share * (1 - share) / num + z2 / (4 * num * num))
    # the share itself lies inside, also after rounding
    return max(0.0, min(share, float(centre - half))), min(1.0, max(share, float(centre + half)))
