"""Which of the known pairs to fit on when the budget is smaller than the pool: a recipe's ``pairs_selection``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.checks import check_one_of, check_range
from components.embeddings import Embeddings
from components.errors import UserError
from components.pairing.config import SELECTIONS, SIDES, CoverageConfig
from components.pairing.coverage import choose
from components.pairing.rows import hash_order
from components.pairing.sequential import Committee, SequentialConfig
from components.pairing.suggest import Pair, Sides, side_of


def select_pairs(
    pool: Sequence[Pair],
    left: Embeddings,
    right: Embeddings,
    budget: int,
    *,
    how: str = "coverage",
    side: str = "left",
    seed: int = 0,
    config: CoverageConfig | None = None,
    sequential: SequentialConfig | None = None,
) -> list[Pair]:
    """Choose ``budget`` of the pool's pairs; the choice for a smaller budget is the beginning of that for a larger one.

    Args:
        pool: pairs of ids to choose from, one-to-one.
        left, right: the rows to stand for, those of the pool among them [N, D]; with ``both`` the pool's alone. Leave
            held-out rows out: nothing that is evaluated on may decide what is fitted on.
        budget: number of pairs.
        how: ``random``; ``coverage``: by how well rows stand for their corpus; ``sequential``: in batches, each with
            regard to what a model of the pairs chosen before is unsure about.
        side: whose coverage counts. ``left`` and ``right`` look at the rows of one side only, as one must who asks for
            partners that do not exist yet. ``both``: pairs stand for the pool's pairs by both sides at once. That looks
            at partners: use it to choose among pairs that are there, not to claim what asking for pairs would bring.
        seed: of everything random here.
        config: coverage; its seed is replaced by ``seed``.
        sequential: batches and committee of ``sequential``.

    Raises:
        UserError: a budget larger than the pool, a repeated id, an id without an embedding, NaN or all-equal rows.
    """
    sides = Sides(left, right, seed)
    return select_from(sides, pool, budget, how=how, side=side, seed=seed, config=config, sequential=sequential)


def select_from(
    sides: Sides,
    pool: Sequence[Pair],
    budget: int,
    *,
    how: str,
    side: str,
    seed: int,
    config: CoverageConfig | None = None,
    sequential: SequentialConfig | None = None,
) -> list[Pair]:
    """:func:`select_pairs` with rows that are prepared already, with the same seed."""
    check_one_of("pairs_selection", how, SELECTIONS)
    check_one_of("side", side, SIDES)
    _check(pool, budget)
    pairs = [pool[n] for n in hash_order([f"{a}\x1f{b}" for a, b in pool], seed)]
    if how == "random":
        return pairs[:budget]
    choice = _Choice(pairs, sides, side, replace(config or CoverageConfig(), seed=seed))
    chosen: list[int] = []
    if how == "coverage":
        chosen = choice.batch(chosen, budget)
    else:
        batches = sequential or SequentialConfig()
        while len(chosen) < budget:
            chosen += choice.batch(chosen, min(batches.batch, budget - len(chosen)), batches)
    return [pairs[row] for row in chosen]


@dataclass(frozen=True)
class _Choice:
    """A pool in hash order and what the choice from it looks at."""

    pairs: Sequence[Pair]
    sides: Sides
    side: str
    config: CoverageConfig

    def batch(self, chosen: Sequence[int], num: int, sequential: SequentialConfig | None = None) -> list[int]:
        """The next ``num`` rows of the pool after the ``chosen`` ones."""
        known = [self.pairs[row] for row in chosen]
        committee = Committee(self.sides, known, sequential or SequentialConfig(trust=0), self.config.seed)
        if self.side == "both":
            view = committee.weigh_pairs(self.pairs, self.sides.pair_view(self.pairs, chosen))
        else:
            candidates = side_of(self.pairs, self.side)
            view = committee.weigh(self.side, self.sides.view(self.side, known, candidates))
        return choose(view, num, self.config, taken=chosen).rows


def _check(pool: Sequence[Pair], budget: int) -> None:
    check_range("pairs_budget", budget, 1)
    if len(pool) < budget:
        what = f"a budget of {budget} is larger than the pool of {len(pool)} pairs"
        raise UserError(what, where="pairs_budget", do=f"set it to at most {len(pool)}")
    for name, ids in (("left", [a for a, _ in pool]), ("right", [b for _, b in pool])):
        unique, counts = np.unique(np.array(ids, dtype=object), return_counts=True)
        if (counts > 1).any():
            example = unique[int(np.argmax(counts))]
            raise UserError(f"the {name} id {example!r} is in {counts.max()} pairs of the pool", do="keep one of them")
