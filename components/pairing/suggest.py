"""Which items to find partners for, from the corpora alone or going on from known pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import numpy as np

from components.checks import check_one_of, check_range
from components.embeddings import Embeddings
from components.pairing.config import SIDES, CoverageConfig
from components.pairing.coverage import choose
from components.pairing.facility_location import coverage_curve
from components.pairing.rows import CentredRows, PairRows
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
    config = config or CoverageConfig()
    return suggest_from(Sides(left, right, config.seed), budget, side=side, config=config, known=known)


def suggest_from(
    sides: Sides,
    budget: int,
    *,
    side: str,
    config: CoverageConfig,
    known: Sequence[Pair],
    weigh: Callable[[str, View], View] | None = None,
) -> Suggestion:
    """:func:`suggest` with rows that are prepared already; ``weigh`` may give a side's targets weights."""
    check_one_of("side", side, SIDES)
    check_range("budget", budget, 1)
    halves = {"left": -(-budget // 2), "right": budget // 2} if side == "both" else {side: budget}
    parts = []
    for name, num in halves.items():
        if num:
            view = sides.view(name, known)
            parts.append(_one_side(sides, name, weigh(name, view) if weigh else view, num, config))
    return parts[0] if len(parts) == 1 else _alternating(parts)


class Sides:
    """The rows of both sides, each prepared when it is asked for first."""

    def __init__(self, left: Embeddings, right: Embeddings, seed: int) -> None:
        self._corpora = {"left": left, "right": right}
        self._seed = seed
        self._rows: dict[str, CentredRows] = {}

    def rows(self, side: str) -> CentredRows:
        """Raises UserError for NaN or all-equal rows."""
        if side not in self._rows:
            self._rows[side] = CentredRows(self._corpora[side], self._seed)
        return self._rows[side]

    def view(self, side: str, known: Sequence[Pair], candidates: Sequence[str] | None = None) -> View:
        """All rows are to be covered, ``known`` pairs are; ``candidates``: ids to choose from, by default all."""
        rows = self.rows(side)
        everything = np.arange(len(rows))
        have = rows.positions(side_of(known, side))
        return View(rows, everything if candidates is None else rows.positions(candidates), everything, have)

    def pair_view(self, pairs: Sequence[Pair], known: Sequence[int]) -> View:
        """Pairs that stand for each other, with both sides at once; ``known``: rows of ``pairs``."""
        places = [self.rows(side).positions(side_of(pairs, side)) for side in ("left", "right")]
        everything = np.arange(len(pairs))
        rows = PairRows(self.rows("left"), self.rows("right"), places[0], places[1])
        return View(rows, everything, everything, np.asarray(known, dtype=np.int64))


def side_of(pairs: Sequence[Pair], side: str) -> list[str]:
    """The left or the right ids of pairs."""
    return [pair[0 if side == "left" else 1] for pair in pairs]


def _one_side(sides: Sides, side: str, view: View, budget: int, config: CoverageConfig) -> Suggestion:
    """The candidates of ``view`` must be all rows, in order of their positions."""
    picks = choose(view, budget, config, taken=[int(p) for p in view.known])
    chosen, targets = np.array(picks.rows), view.with_targets(0, config.max_targets)
    curve = coverage_curve(targets, chosen, config)
    # positions are in order of a hash; the last ones, as the first are those that coverage is measured on
    by_chance = np.setdiff1d(view.candidates, view.known)[-budget:]
    return Suggestion(
        ids=sides.rows(side).ids(chosen),
        sides=[side] * len(chosen),
        gains=picks.gains,
        coverage=[float(c) for c in curve[1:]],
        start_coverage={side: float(curve[0])},
        random_coverage={side: [float(c) for c in coverage_curve(targets, by_chance, config)[1:]]},
    )


def _alternating(parts: Sequence[Suggestion]) -> Suggestion:
    """First of the first, first of the second, second of the first and so on."""
    picks = [list(zip(p.ids, p.sides, p.gains, p.coverage, strict=True)) for p in parts]
    ids, sides, gains, coverage = zip(*filter(None, chain.from_iterable(zip_longest(*picks))), strict=True)
    return Suggestion(
        ids=list(ids),
        sides=list(sides),
        gains=list(gains),
        coverage=list(coverage),
        start_coverage={side: value for part in parts for side, value in part.start_coverage.items()},
        random_coverage={side: values for part in parts for side, values in part.random_coverage.items()},
    )
