"""Which pairs are known, which are only evaluated on, and which rows are unpaired. Decided by ids and seed alone.

Nothing here looks at the order of rows or files: all sampling is by SHA-256 of seed and id. O(n log n).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from components.corpora.hashing import deranged, seeded_bits, seeded_order
from components.corpora.split_config import SplitConfig
from components.errors import UserError
from components.files import Folder

Pair = tuple[str, str]
FILE = "splits.json"
MIN_UNPAIRED = 200


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Ids only. A pair is ``(left id, right id)``.

    Attributes:
        heldout: the pairs that are evaluated on and never fitted on; the same for every split and draw.
        heldout_from: ``given`` or ``drawn``.
        pool: all other known pairs.
        draws: split -> list of draws, each the pairs to fit on. ``random``: drawn from the whole pool;
            ``group``: drawn from those pool pairs that share no group (e.g. head word) with any held-out pair.
            Draw 0 of ``random`` is the primary one.
        absent: split -> why it could not be made.
        unpaired_left, unpaired_right: ids to fit on without partners, sorted. No held-out id is among them.
        unpaired: ``disjoint`` or ``all``, as it came out (see :class:`SplitConfig`).
        warnings: sentences for the user.
        config: the settings asked for.
    """

    heldout: list[Pair]
    heldout_from: str
    pool: list[Pair]
    draws: dict[str, list[list[Pair]]]
    absent: dict[str, str] = field(default_factory=dict)
    unpaired_left: list[str]
    unpaired_right: list[str]
    unpaired: str
    warnings: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Splits that exist; the primary one first."""
        return list(self.draws)

    def pairs(self, split: str = "random", draw: int = 0) -> list[Pair]:
        """The known pairs of one draw."""
        return self.draws[split][draw]

    def shuffled(self, split: str = "random", draw: int = 0) -> list[Pair]:
        """Control: the same left and right ids, every left one with a wrong partner (a seeded derangement)."""
        return deranged(self.draws[split][draw], self.config.get("seed", 0), "shuffled", split, draw)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Splits:
        lists = {name: _pairs(value[name]) for name in ("heldout", "pool")}
        draws = {split: [_pairs(draw) for draw in draws] for split, draws in value["draws"].items()}
        return cls(**{**value, **lists, "draws": draws})

    def write(self, folder: Folder) -> None:
        # compact: the lists may hold millions of ids
        text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        folder.write_bytes(FILE, text.encode())

    @classmethod
    def read(cls, folder: Folder) -> Splits:
        return cls.from_json(folder.read_json(FILE))

    def numbers(self) -> dict[str, int]:
        """Counts for tables and MLflow."""
        return {
            "pool": len(self.pool),
            "pairs": len(self.pairs()),
            "heldout": len(self.heldout),
            "draws": len(self.draws["random"]),
            "unpaired_left": len(self.unpaired_left),
            "unpaired_right": len(self.unpaired_right),
        }


@dataclass(frozen=True, kw_only=True)
class SideIds:
    """The ids of one corpus and, if its rows have them, their groups (null: a group of its own)."""

    ids: Sequence[str]
    groups: Mapping[str, str | None] = field(default_factory=dict)


def make_splits(
    left: SideIds, right: SideIds, pairs: Sequence[Pair], heldout: Sequence[Pair] | None, config: SplitConfig
) -> Splits:
    """Split checked, one-to-one pairs (see :mod:`components.corpora.pairs`).

    Raises:
        UserError: too few pairs for the budget and the held-out ones.
    """
    pairs = sorted(pairs)
    kept_out = sorted(heldout) if heldout is not None else _draw_heldout(pairs, config)
    out = set(kept_out)
    pool = [p for p in pairs if p not in out]
    budget = len(pool) if config.pairs_budget is None else config.pairs_budget
    if config.pairs_budget != 0 and len(pool) < max(budget, 2):
        raise UserError(
            f"{len(pool)} known pairs are fewer than the pairs_budget of {max(budget, 2)}",
            where="pairs",
            do=f"give more pairs{f' or set pairs_budget to at most {len(pool)}' if len(pool) > 1 else ''}",
        )
    draws, absent = _all_draws(pool, pairs_apart(pool, kept_out, left, right), budget, config)
    unpaired = _unpaired(left, right, pool, kept_out, config)
    return Splits(
        heldout=kept_out,
        heldout_from="drawn" if heldout is None else "given",
        pool=pool,
        draws=draws,
        absent=absent,
        unpaired_left=unpaired.left,
        unpaired_right=unpaired.right,
        unpaired=unpaired.how,
        warnings=unpaired.warnings + _pool_warnings(len(pool), budget),
        config=asdict(config),
    )


def _draw_heldout(pairs: list[Pair], config: SplitConfig) -> list[Pair]:
    drawn = _some_heldout(pairs, config)
    num, budget = len(drawn), 2 if config.pairs_budget is None else config.pairs_budget
    if num < 2 or len(pairs) - num < budget:
        raise UserError(
            f"{len(pairs)} known pairs are too few: {num} would be held out for evaluation and "
            f"{len(pairs) - num} are left for a pairs_budget of {budget}",
            where="pairs",
            do="give more pairs or a heldout file, or lower pairs_budget or heldout_fraction",
        )
    return drawn


def _some_heldout(pairs: list[Pair], config: SplitConfig) -> list[Pair]:
    """So many as the config asks for, however few pairs there are. Sorted."""
    num = min(round(config.heldout_fraction * len(pairs)), config.heldout_max)
    return sorted(pairs[n] for n in _order(pairs, config.seed, "heldout")[:num])


@dataclass(frozen=True, kw_only=True)
class KnownSoFar:
    """Pairs that may be learned from now, and those that may not."""

    fitted: list[Pair]
    heldout: list[Pair]


def known_so_far(pairs: Sequence[Pair], heldout: Sequence[Pair] | None, config: SplitConfig) -> KnownSoFar:
    """What :func:`make_splits` holds out and fits on in its primary draw, however few pairs there are yet."""
    pairs = sorted(pairs)
    heldout = _some_heldout(pairs, config) if heldout is None else heldout
    out = set(heldout)
    pool = [p for p in pairs if p not in out]
    budget = len(pool) if config.pairs_budget is None else min(config.pairs_budget, len(pool))
    return KnownSoFar(fitted=_draws(pool, budget, "random", config)[0] if pool else [], heldout=sorted(heldout))


def pairs_apart(pool: list[Pair], heldout: Sequence[Pair], left: SideIds, right: SideIds) -> list[Pair] | None:
    """Pairs of the pool neither side of which shares a group with a held-out pair; None if no row has a group."""
    if not left.groups and not right.groups:
        return None
    taken_left = {left.groups.get(a) for a, _ in heldout} - {None}
    taken_right = {right.groups.get(b) for _, b in heldout} - {None}
    return [(a, b) for a, b in pool if left.groups.get(a) not in taken_left and right.groups.get(b) not in taken_right]


def _all_draws(
    pool: list[Pair], apart: list[Pair] | None, budget: int, config: SplitConfig
) -> tuple[dict[str, list[list[Pair]]], dict[str, str]]:
    if not budget:
        return {"random": [[]]}, {"group": "no pair is fitted on"}
    draws = {"random": _draws(pool, budget, "random", config)}
    if apart is None:
        return draws, {"group": "the rows have no group column"}
    if len(apart) < budget:
        why = f"only {len(apart)} known pairs share no group with a held-out pair; pairs_budget is {budget}"
        return draws, {"group": why}
    return draws | {"group": _draws(apart, budget, "group", config)}, {}


def _draws(pool: list[Pair], budget: int, split: str, config: SplitConfig) -> list[list[Pair]]:
    """``config.draws`` samples; a single one if the budget takes the whole pool, as all would be the same."""
    num = config.draws if len(pool) > budget else 1
    return [[pool[n] for n in _order(pool, config.seed, split, d)[:budget]] for d in range(num)]


def _pool_warnings(num_pool: int, budget: int) -> list[str]:
    if num_pool == budget:
        return ["all known pairs are used: there is one draw, and intervals are over the held-out pairs only"]
    if num_pool < 1.5 * budget:
        return [f"the draws share most of their pairs ({budget} of {num_pool}): intervals are narrower than the truth"]
    return []


@dataclass(frozen=True)
class _Unpaired:
    left: list[str]
    right: list[str]
    how: str
    warnings: list[str]


def _unpaired(
    left: SideIds, right: SideIds, pool: list[Pair], heldout: Sequence[Pair], config: SplitConfig
) -> _Unpaired:
    """Rows to fit on without partners. With ``disjoint``, a coin by id decides the side on which a pool pair stays."""
    all_left = sorted(set(left.ids) - {a for a, _ in heldout})
    all_right = sorted(set(right.ids) - {b for _, b in heldout})
    if config.unpaired == "all":
        return _Unpaired(all_left, all_right, "all", [])
    goes_left = seeded_bits([_key(p) for p in pool], config.seed, "side")
    gone_left = {a for (a, _), stays in zip(pool, goes_left, strict=True) if not stays}
    gone_right = {b for (_, b), stays in zip(pool, goes_left, strict=True) if stays}
    some_left = [i for i in all_left if i not in gone_left]
    some_right = [i for i in all_right if i not in gone_right]
    least = max(MIN_UNPAIRED, config.pairs_budget or 0)
    fewest = min(len(some_left), len(some_right))
    if fewest < least:
        warning = (
            f"disjoint unpaired rows would leave {fewest} on one side (fewer than {least}): "
            "both sides keep all their rows instead, so most unpaired rows have their partner on the other side"
        )
        return _Unpaired(all_left, all_right, "all", [warning])
    return _Unpaired(some_left, some_right, "disjoint", [])


def _order(pairs: Sequence[Pair], *salt: object) -> list[int]:
    return seeded_order([_key(p) for p in pairs], *salt)


def _key(pair: Pair) -> str:
    return f"{pair[0]}\x1f{pair[1]}"


def _pairs(value: Sequence[Sequence[str]]) -> list[Pair]:
    return [(a, b) for a, b in value]
