"""Chosen pairs in place of the random draws of splits: what a recipe's ``pairs_selection`` comes to.

Chosen pairs would be the same in every draw. So that there are intervals, each draw chooses within a random four fifths
of the pool. Held-out rows are neither chosen from nor covered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from components.corpora.hashing import seeded_order
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.errors import UserError
from components.pairing.selection import select_from
from components.pairing.suggest import Pair, Sides

SHARE = 0.8
# Pairs stand for the pool by both sides at once: both are there, and it teaches most.
SIDE = "both"


def choose_draws(
    splits: Splits, pools: Mapping[str, Sequence[Pair]], left: Embeddings, right: Embeddings, *, how: str, seed: int
) -> Splits:
    """``splits`` with every draw chosen anew, as many pairs as it had.

    Args:
        splits: with random draws.
        pools: split -> what its draws are chosen from.
        left, right: rows of the encoders; those of held-out pairs are not used [N, D].
        how: ``coverage`` or ``sequential``.
        seed: of the four fifths and of all that is random in the choice.

    Raises:
        UserError: a pool with a held-out id, an id without an embedding, NaN or all-equal rows.
    """
    sides = Sides(_seen(left, splits, 0), _seen(right, splits, 1), seed)
    draws = {}
    for split, plain in splits.draws.items():
        _refuse_heldout(splits, pools[split])
        parts = [_part(pools[split], len(pairs), seed, split, n) for n, pairs in enumerate(plain)]
        draws[split] = [
            select_from(sides, part, len(pairs), how=how, side=SIDE, seed=seed)
            for part, pairs in zip(parts, plain, strict=True)
        ]
    told = f"pairs are chosen by {how}, in every draw within a random four fifths of the pool"
    config = splits.config | {"pairs_selection": how}
    return replace(splits, draws=draws, config=config, warnings=[*splits.warnings, *_warnings(splits, told)])


def _seen(rows: Embeddings, splits: Splits, side: int) -> Embeddings:
    """Rows that may decide: unpaired ones and those of the pool."""
    unpaired = (splits.unpaired_left, splits.unpaired_right)[side]
    return rows.take(sorted({*unpaired, *(p[side] for p in splits.pool)} - {p[side] for p in splits.heldout}))


def _refuse_heldout(splits: Splits, pool: Sequence[Pair]) -> None:
    for side in (0, 1):
        common = {p[side] for p in splits.heldout} & {p[side] for p in pool}
        if common:
            raise UserError(f"{len(common)} held-out ids are in the pool, e.g. {min(common)!r}", do="take them out")


def _part(pool: Sequence[Pair], budget: int, seed: int, split: str, draw: int) -> list[Pair]:
    """Four fifths of the pool by hash, but enough for the budget."""
    order = seeded_order([f"{a}\x1f{b}" for a, b in pool], seed, "part", split, draw)
    return [pool[n] for n in order[: max(budget, round(SHARE * len(pool)))]]


def _warnings(splits: Splits, told: str) -> list[str]:
    num_pool, budget = len(splits.pool), len(splits.pairs())
    if SHARE * num_pool > budget:
        return [told]
    return [f"there is little to choose: {budget} pairs of a pool of {num_pool}", told]
