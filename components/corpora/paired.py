"""Two corpora whose true pairs are all known, and how benchmarks cut them: gallery, pool of pairs, unpaired rows.

Letters: ``N`` rows of a side, ``D`` dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.checks import check_one_of, check_range
from components.corpora.hashing import seeded_order
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder

Pair = tuple[str, str]
PROTOCOLS = ("disjoint", "sue")
SPLITS = ("random", "group")
DROPPED = 0.1  # of each side's rows under the protocol of SUE
LARGE_GROUP = 0.1  # of the gallery: larger groups stay out of it, or it would be one group


@dataclass(frozen=True, kw_only=True)
class PairedRows:
    """Embeddings of both sides with the truth.

    Attributes:
        left, right: all rows [N, D] of a side, several views of an item side by side as blocks.
        pairs: the true pairs, one to one. Ids outside of them have no partner.
        groups: left id of a pair -> its group; empty if there are none.
    """

    left: Embeddings
    right: Embeddings
    pairs: list[Pair]
    groups: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Folder) -> None:
        """Write ``left-0.parquet``, ``right-0.parquet`` and ``pairs.json``."""
        self.left.write(folder, "left-0.parquet")
        self.right.write(folder, "right-0.parquet")
        folder.write_json("pairs.json", {"pairs": [list(p) for p in self.pairs], "groups": self.groups})

    @classmethod
    def read(cls, folder: Folder) -> PairedRows:
        about = folder.read_json("pairs.json")
        left, right = (Embeddings.read(folder, f"{side}-0.parquet") for side in ("left", "right"))
        return cls(left=left, right=right, pairs=[(a, b) for a, b in about["pairs"]], groups=about["groups"])


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Ids only; every list is in random order, so that its beginning is a random sample.

    Attributes:
        gallery: pairs that are only evaluated on.
        pool: pairs that known pairs may be chosen from.
        unpaired_left, unpaired_right: may be fitted on without partner, once the items of chosen pairs are removed.
    """

    gallery: list[Pair]
    pool: list[Pair]
    unpaired_left: list[str]
    unpaired_right: list[str]


@dataclass(frozen=True, kw_only=True)
class CutConfig:
    """How to cut.

    Attributes:
        protocol: ``disjoint``: an item of the pool is unpaired on one side only; ``sue``: on both, except a tenth that
            is dropped from each side by itself (arXiv 2505.21524).
        split: ``random``, or ``group``: the gallery is made of whole groups, none of which occurs anywhere else.
        gallery: pairs; at most a quarter of all.
        pool: pairs at most, beside the gallery.
        seed: of everything random.
    """

    protocol: str = "disjoint"
    split: str = "random"
    gallery: int = 500
    pool: int = 2500
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("protocol", PROTOCOLS), ("split", SPLITS)):
            check_one_of(name, getattr(self, name), allowed)
        for name in ("gallery", "pool"):
            check_range(name, getattr(self, name), 2)


def cut(table: PairedRows, config: CutConfig) -> Cut:
    """Cut a table. The same ids, pairs and config give the same cut, in whatever order they come.

    Raises:
        UserError: fewer than 8 pairs, or a group split without groups.
    """
    if len(table.pairs) < 8:
        raise UserError(f"{len(table.pairs)} pairs are too few to hold some out", do="give at least 8")
    keys = [f"{a}\x1f{b}" for a, b in table.pairs]
    pairs = [table.pairs[n] for n in seeded_order(keys, config.seed, "bench")]
    size = min(config.gallery, len(pairs) // 4)
    gallery = pairs[:size] if config.split == "random" else _whole_groups(pairs, table.groups, size, config.seed)
    out = set(gallery)
    pool = [p for p in pairs if p not in out][: config.pool]
    left, right = _unpaired(pool, config.protocol, config.seed)
    return Cut(
        gallery=gallery,
        pool=pool,
        unpaired_left=_with_extra(left, table.left.ids, [a for a, _ in pairs], config.seed),
        unpaired_right=_with_extra(right, table.right.ids, [b for _, b in pairs], config.seed),
    )


def _whole_groups(pairs: list[Pair], groups: dict[str, str], size: int, seed: int) -> list[Pair]:
    """Whole groups in random order, as many as fit. A pair without a group is a group of its own."""
    if not groups:
        raise UserError("the rows have no groups", where="split", do="name the group column, or leave this split out")
    members: dict[str, list[Pair]] = {}
    for pair in pairs:
        members.setdefault(groups.get(pair[0]) or f"\x1f{pair[0]}", []).append(pair)
    names = sorted(members)
    chosen: list[Pair] = []
    for name in (names[n] for n in seeded_order(names, seed, "groups")):
        group = members[name]
        if len(group) <= LARGE_GROUP * size and len(chosen) + len(group) <= size:
            chosen += group
    if len(chosen) < 2:
        raise UserError("the groups are too large to hold some out", where="split", do="use finer groups")
    return chosen


def _unpaired(pool: list[Pair], protocol: str, seed: int) -> tuple[list[str], list[str]]:
    if protocol == "disjoint":
        return [a for a, _ in pool[0::2]], [b for _, b in pool[1::2]]
    return _thinned([a for a, _ in pool], seed, "left"), _thinned([b for _, b in pool], seed, "right")


def _thinned(ids: Sequence[str], seed: int, side: str) -> list[str]:
    """A tenth dropped, in an order that says nothing about the other side's."""
    return [ids[n] for n in seeded_order(ids, seed, "sue", side)[int(DROPPED * len(ids)) :]]


def _with_extra(ids: list[str], all_ids: Sequence[str], paired: Sequence[str], seed: int) -> list[str]:
    """The rows that have no partner at all join in, in random order."""
    extra = sorted(set(all_ids) - set(paired))
    everything = ids + extra
    return [everything[n] for n in seeded_order(everything, seed, "unpaired")] if extra else ids
