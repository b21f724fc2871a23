"""Hubs: rows that are the first match of many queries (Radovanović et al., "Hubs in space", JMLR 2010)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

TOP = 0.01  # of the rows


@dataclass(frozen=True)
class Hubs:
    """How first matches are spread over the rows.

    Attributes:
        share: of the queries whose first match is among the 1 % of rows that are found most often.
        even: the same if every query picked a row at random.
        queries: that were asked.
    """

    share: float
    even: float
    queries: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hubs(matches: np.ndarray, num_rows: int, *, seed: int) -> Hubs:
    """From the place of every query's first match [Q] among ``num_rows`` rows; ``seed`` is that of the random picks."""
    picks = np.random.default_rng(seed).integers(0, num_rows, len(matches))
    return Hubs(_share(matches, num_rows), _share(picks, num_rows), len(matches))


def _share(matches: np.ndarray, num_rows: int) -> float:
    counts = np.sort(np.bincount(matches, minlength=num_rows))[::-1]
    return float(counts[: max(1, round(TOP * num_rows))].sum() / max(len(matches), 1))
