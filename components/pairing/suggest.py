"""Which items to find partners for, from the corpora alone or going on from known pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

import numpy as np

from components.embeddings import Embeddings
from components.errors import UserError
from components.pairing.config import SIDES, CoverageConfig, one_of
from components.pairing.coverage import choose
from components.pairing.facility_location import coverage_curve
from components.pairing.rows import CentredRows
from components.pairing.suggestion import Suggestion
from components.pairing.views import View

Pair = tuple[str, str]


def suggest(
    left: Embeddings,
    right: Embeddings,
    budget: int,
    *,
    side: str = "left",
    config: CoverageConfig | None = None,
    known: Sequence[Pair] = (),
) -> Suggestion:
    """Choose ``budget`` items whose partners to ask for, by how well they stand for their own corpus.

    Args:
        left, right: the unpaired corpora [N, D], float32 or float16. A corpus that ``side`` does not name is not read.
        budget: number of items, in total.
        side: ``left``, ``right``, or ``both``: every other item from each corpus, chosen apart.
        config: method and settings.
        known: pairs there are already: their rows count as covered and are not asked for again. All of their ids must
            have embeddings.

    Raises:
        UserError: a budget larger than what can be asked for, unknown ids, NaN or all-equal rows.
    """
    one_of("side", side, SIDES)
    if budget < 1:
        raise UserError(f"{budget} is not allowed", where="budget", do="give at least 1")
    config = config or CoverageConfig()
    halves = {"left": -(-budget // 2), "right": budget // 2} if side == "both" else {side: budget}
    corpora = {"left": (left, [a for a, _ in known]), "right": (right, [b for _, b in known])}
    parts = [_one_side(name, *corpora[name], num, config) for name, num in halves.items() if num]
    return parts[0] if len(parts) == 1 else _alternating(parts)


def _one_side(side: str, corpus: Embeddings, known: Sequence[str], budget: int, config: CoverageConfig) -> Suggestion:
    rows = CentredRows(corpus, config.seed)
    everything, have = np.arange(len(rows)), rows.positions(known)
    view = View(rows, everything, everything, have)
    picks = choose([view], budget, config, taken=[int(p) for p in have])
    chosen = np.array(picks.rows)
    curve = coverage_curve(view.with_targets(0, config.max_targets), chosen, config)
    return Suggestion(
        ids=rows.ids(chosen),
        sides=[side] * len(chosen),
        gains=picks.gains,
        coverage=[float(c) for c in curve[1:]],
        start_coverage={side: float(curve[0])},
    )


def _alternating(parts: Sequence[Suggestion]) -> Suggestion:
    """First of the first, first of the second, second of the first and so on."""
    picks = [list(zip(p.ids, p.sides, p.gains, p.coverage, strict=True)) for p in parts]
    ids, sides, gains, coverage = zip(*filter(None, chain.from_iterable(zip_longest(*picks))), strict=True)
    start = {side: value for part in parts for side, value in part.start_coverage.items()}
    return Suggestion(
        ids=list(ids), sides=list(sides), gains=list(gains), coverage=list(coverage), start_coverage=start
    )
