"""The choice of items by how well they stand for a corpus, for a thousand or for millions of rows.

Few candidates are chosen from at once. Many go through GreeDi (Mirzasoleiman, Karbasi, Sarkar, Krause 2013): shards by
hash of the id, a greedy choice in each against a sample of the targets, then a greedy choice among the shards' choices.
Time is O(N T D) with T = 4,096 targets a shard; memory is that of one shard, whatever N.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.errors import UserError
from components.pairing.config import CoverageConfig
from components.pairing.facility_location import FacilityLocation
from components.pairing.greedy import Picks, greedy
from components.pairing.kernel_variance import KernelVariance
from components.pairing.medoids import medoids
from components.pairing.views import View

SHARD_TARGETS = 4096
# A shard keeps at least this many candidates, then four times as many and so on: for budgets between two such steps the
# shards keep the same ones, so that the choice for a smaller budget is the beginning of that for a larger one.
LEAST_KEPT, KEPT_STEP = 128, 4
# A shard holds at least this many times what it keeps: every round leaves at most half of the candidates.
SHARD_KEPT = 4
_OBJECTIVES: dict[str, Any] = {
    "facility-location": FacilityLocation,
    "k-medoids": FacilityLocation,  # orders the medoids
    "kernel-variance": KernelVariance,
}


def choose(view: View, budget: int, config: CoverageConfig, taken: Sequence[int] = ()) -> Picks:
    """Choose ``budget`` candidates that stand best for the targets.

    Args:
        view: what to choose from and what to cover. Candidates must be in order of a hash of their ids: shards are
            runs of them.
        budget: how many. Choices for smaller budgets are the beginnings of this one, unless the method is k-medoids, or
            there are shards and one of 128, 512, 2,048 … lies between the two budgets.
        config: method and settings.
        taken: candidates that must not be chosen.

    Returns:
        Candidates in order of choice and their gains.

    Raises:
        UserError: fewer candidates than the budget.
    """
    free = np.setdiff1d(np.arange(len(view.candidates)), np.asarray(taken, dtype=np.int64))
    if len(free) < budget:
        raise UserError(f"{budget} are asked for and only {len(free)} can be chosen", where="budget", do="lower it")
    if config.method == "k-medoids":
        free = free[medoids(view.take(free), budget, config)]
    else:
        free = _shard_winners(view, free, budget, config)
    picks = _greedy(view.take(free).with_targets(0, config.max_targets), budget, config)
    return Picks([int(free[row]) for row in picks.rows], picks.gains)


def _shard_winners(view: View, rows: np.ndarray, budget: int, config: CoverageConfig) -> np.ndarray:
    """Candidates that are left when at most a shard's worth of them may be. Ascending."""
    kept = LEAST_KEPT
    while kept < budget:
        kept *= KEPT_STEP
    size = max(config.shard_rows, SHARD_KEPT * kept)
    while len(rows) > size:
        shards = np.array_split(rows, -(-len(rows) // size))
        winners = [_shard(view, shard, n / len(shards), kept, config) for n, shard in enumerate(shards)]
        rows = np.sort(np.concatenate(winners))
    return rows


def _shard(view: View, rows: np.ndarray, start: float, kept: int, config: CoverageConfig) -> np.ndarray:
    """Choice among some candidates against a sample of the targets that begins at the share ``start`` of them."""
    some = view.take(rows).with_targets(int(start * len(view.targets)), SHARD_TARGETS)
    return rows[_greedy(some, kept, config).rows]


def _greedy(view: View, budget: int, config: CoverageConfig) -> Picks:
    return greedy(_OBJECTIVES[config.method](view, config), budget)
