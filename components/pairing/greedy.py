"""Greedy choice: always the row that adds most; of equals the first.

For monotone submodular objectives the result is at least (1 - 1/e) of the best set's value (Nemhauser, Wolsey, Fisher
1978), and a gain that was computed earlier bounds the gain now, so few have to be computed again (Minoux 1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

# Stale gains are renewed this many at a time: one vectorised call instead of many.
REFRESH = 64


class Objective(Protocol):
    """A set function over rows 0..size-1.

    Attributes:
        size: number of rows to choose from.
        submodular: gains never grow while rows are added.
    """

    size: int
    submodular: bool

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of ``rows`` [R] would add now. float64 [R], not negative."""
        ...

    def add(self, row: int) -> None:
        """Choose this row."""
        ...


@dataclass(frozen=True)
class Picks:
    """Chosen ``rows`` in order and the gain of each when it was chosen."""

    rows: list[int]
    gains: list[float]


def greedy(objective: Objective, budget: int) -> Picks:
    """Choose ``budget`` rows, or all there are.

    Equal to computing all gains anew for each pick; gains of rows that cannot win are not computed if the objective is
    submodular.
    """
    bounds = objective.gains(np.arange(objective.size))
    picks = Picks([], [])
    for _ in range(min(budget, objective.size)):
        if picks.rows:
            best = _lazy_best(objective, bounds) if objective.submodular else _full_best(objective, bounds)
        else:
            best = int(np.argmax(bounds))
        picks.rows.append(best)
        picks.gains.append(float(bounds[best]))
        objective.add(best)
        bounds[best] = -np.inf
    return picks


def _full_best(objective: Objective, bounds: np.ndarray) -> int:
    left = np.flatnonzero(bounds > -np.inf)
    bounds[left] = objective.gains(left)
    return int(np.argmax(bounds))


def _lazy_best(objective: Objective, bounds: np.ndarray) -> int:
    """Renew the highest bounds until the first of the highest is no longer stale. Changes ``bounds``."""
    stale = bounds > -np.inf
    while stale[best := int(np.argmax(bounds))]:
        top = np.argpartition(-bounds, REFRESH)[:REFRESH] if len(bounds) > REFRESH else np.arange(len(bounds))
        top = np.union1d(top[stale[top]], [best])
        bounds[top] = objective.gains(top)
        stale[top] = False
    return best
