"""Going on from known pairs: items in regions that are not covered yet and where the current model is unsure.

The model is kernel ridge regression from one side to the other (see :mod:`components.alignment.kernel_ridge`). Members
of a committee are fitted on random halves of the known pairs (query by committee, Seung, Opper, Sompolinsky 1992). A
row of the corpus on whose partner they disagree counts more in the coverage of the next batch. Known pairs count as
covered, so a batch does not crowd where one pair would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.checks import check_range
from components.embeddings import Embeddings
from components.pairing.config import CoverageConfig
from components.pairing.rows import CHUNK
from components.pairing.suggest import Pair, Sides, side_of, suggest_from
from components.pairing.suggestion import Suggestion
from components.pairing.views import View, kernel
from components.transforms import unit_rows

# With fewer known pairs than this, halves of them say nothing: the choice is by coverage alone.
LEAST_KNOWN = 10


@dataclass(frozen=True, kw_only=True)
class SequentialConfig:
    """How much the model has to say.

    Attributes:
        batch: pairs asked for at a time where partners are known anyway (:func:`select_pairs`); the first batch, before
            there is a model, is as large.
        members: models in the committee.
        trust: rows count as their disagreement to this power; 0 leaves coverage alone.
        sharpness, ridge: of the members' kernel ridge regression.
    """

    batch: int = 25
    members: int = 8
    trust: float = 1.0
    sharpness: float = 3.0
    ridge: float = 0.5

    def __post_init__(self) -> None:
        for name, least in (("batch", 1), ("members", 2), ("trust", 0)):
            check_range(name, getattr(self, name), least)
        for name in ("sharpness", "ridge"):
            check_range(name, getattr(self, name), 0, above=True)


def suggest_next(
    left: Embeddings,
    right: Embeddings,
    known: Sequence[Pair],
    budget: int,
    *,
    side: str = "left",
    config: CoverageConfig | None = None,
    sequential: SequentialConfig | None = None,
) -> Suggestion:
    """The next batch of items to find partners for, given pairs.

    Args:
        left, right: the unpaired corpora and the rows of the known pairs [N, D].
        known: pairs there are. With fewer than 10 of them the choice is :func:`suggest`'s.
        budget: number of items, in total.
        side: ``left``, ``right``, or ``both``: every other item from each corpus.
        config: coverage.
        sequential: the committee.

    Raises:
        UserError: as :func:`suggest`.
    """
    config = config or CoverageConfig()
    sides = Sides(left, right, config.seed)
    committee = Committee(sides, known, sequential or SequentialConfig(), config.seed)
    return suggest_from(sides, budget, side=side, config=config, known=known, weigh=committee.weigh)


@dataclass(frozen=True)
class Committee:
    """Weights the targets of a view by the disagreement about their partners."""

    sides: Sides
    known: Sequence[Pair]
    config: SequentialConfig
    seed: int

    def weigh(self, side: str, view: View) -> View:
        """The view of one side, weighted."""
        return self._weighted(view, [(side, view.targets)])

    def weigh_pairs(self, pairs: Sequence[Pair], view: View) -> View:
        """The view of pairs (see :meth:`Sides.pair_view`), weighted by the mean of both directions."""
        places = [(side, self.sides.rows(side).positions(side_of(pairs, side))) for side in ("left", "right")]
        return self._weighted(view, [(side, place[view.targets]) for side, place in places])

    def _weighted(self, view: View, positions: Sequence[tuple[str, np.ndarray]]) -> View:
        if len(self.known) < LEAST_KNOWN or not self.config.trust:
            return view
        weights = np.mean([self._unsure(side, place) for side, place in positions], axis=0) ** self.config.trust
        return replace(view, weights=weights / weights.sum())

    def _unsure(self, side: str, positions: np.ndarray) -> np.ndarray:
        other = "right" if side == "left" else "left"
        anchors, partners = (
            self.sides.rows(name).unit(self.sides.rows(name).positions(side_of(self.known, name)))
            for name in (side, other)
        )
        models, rows = _members(anchors, partners, self.config, self.seed), self.sides.rows(side)
        blocks = [positions[start : start + CHUNK] for start in range(0, len(positions), CHUNK)]
        return np.concatenate([_disagreement(rows.unit(b), models, self.config.sharpness) for b in blocks])


@dataclass(frozen=True)
class _Member:
    """Kernel ridge regression: k(x, anchors) @ weight. [P/2, D1], [P/2, D2]"""

    anchors: np.ndarray
    weight: np.ndarray


def _members(anchors: np.ndarray, partners: np.ndarray, config: SequentialConfig, seed: int) -> list[_Member]:
    rng = np.random.default_rng([seed, len(anchors)])
    halves = [np.sort(rng.permutation(len(anchors))[: len(anchors) // 2]) for _ in range(config.members)]
    return [_fit(anchors[half], partners[half], config) for half in halves]


def _fit(anchors: np.ndarray, partners: np.ndarray, config: SequentialConfig) -> _Member:
    gram = kernel(anchors, anchors, config.sharpness).astype(np.float64) + config.ridge * np.eye(len(anchors))
    return _Member(anchors, np.linalg.solve(gram, partners.astype(np.float64)).astype(np.float32))


def _disagreement(rows: np.ndarray, models: Sequence[_Member], sharpness: float) -> np.ndarray:
    """1 - |mean of the members' unit predictions|²: 0 if all agree, up to 1. float64 [len(rows)]"""
    total = sum(unit_rows(kernel(rows, m.anchors, sharpness) @ m.weight) for m in models)
    agreement = np.square(np.asarray(total, dtype=np.float64) / len(models)).sum(axis=1)
    return np.asarray(np.clip(1 - agreement, 1e-9, None))
