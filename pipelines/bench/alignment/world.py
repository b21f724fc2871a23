"""What a cell is fitted and scored on: standardised rows of both sides, unpaired ids, a pool of pairs, a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.alignment.preprocess import standardize
from components.alignment.protocol import Pairs
from components.corpora.paired import Cut, Pair, PairedRows
from components.corpora.worlds import World as Generated
from components.embeddings import Embeddings
from components.files import Folder

PCA_DIM = 256  # as in recipes


@dataclass(frozen=True, kw_only=True)
class BenchWorld:
    """Features of both sides and who is who.

    Attributes:
        left, right: standardised rows of all ids below.
        cut: gallery, pool, unpaired ids in random order.
        cap: unpaired rows of a side that a method sees at most; None: all.
    """

    left: Embeddings
    right: Embeddings
    cut: Cut
    cap: int | None

    def pairs(self, ids: Sequence[Pair]) -> Pairs:
        return Pairs(self.left.rows([a for a, _ in ids]), self.right.rows([b for _, b in ids]))

    def unpaired(self, known: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
        """Unpaired rows without the items of the known pairs, and at most ``cap`` of them."""
        taken = {a for a, _ in known}, {b for _, b in known}
        left = [i for i in self.cut.unpaired_left if i not in taken[0]][: self.cap]
        right = [i for i in self.cut.unpaired_right if i not in taken[1]][: self.cap]
        return self.left.rows(left), self.right.rows(right)

    def write(self, folder: Folder) -> None:
        self.left.write(folder, "left.parquet")
        self.right.write(folder, "right.parquet")
        folder.write_json("world.json", {**vars(self.cut), "cap": self.cap})

    @classmethod
    def read(cls, folder: Folder) -> BenchWorld:
        about = folder.read_json("world.json")
        cap = about.pop("cap")
        pairs = {name: [(a, b) for a, b in about.pop(name)] for name in ("gallery", "pool")}
        left, right = (Embeddings.read(folder, f"{side}.parquet") for side in ("left", "right"))
        cut = Cut(
            gallery=pairs["gallery"],
            pool=pairs["pool"],
            unpaired_left=about["unpaired_left"],
            unpaired_right=about["unpaired_right"],
        )
        return cls(left=left, right=right, cut=cut, cap=cap)


def from_table(table: PairedRows, cut: Cut, cap: int | None) -> BenchWorld:
    """Standardise the rows that a cut needs, as recipes do: mean and PCA from unpaired rows only."""
    known = cut.gallery + cut.pool
    sides = []
    for n, (rows, fit) in enumerate(((table.left, cut.unpaired_left), (table.right, cut.unpaired_right))):
        wanted = sorted({p[n] for p in known} | set(fit))
        sides.append(standardize(rows, fit[:cap], wanted, pca_dim=PCA_DIM, seed=0).features)
    return BenchWorld(left=sides[0], right=sides[1], cut=cut, cap=cap)


def from_generated(world: Generated, cap: int | None) -> BenchWorld:
    """The same of a world of :mod:`components.corpora.worlds`."""
    cut = Cut(
        gallery=world.heldout,
        pool=world.pairs,
        unpaired_left=world.unpaired_left[:cap],  # ids are random numbers: sorted is shuffled
        unpaired_right=world.unpaired_right[:cap],
    )
    table = PairedRows(left=world.left, right=world.right, pairs=world.pairs + world.heldout)
    return from_table(table, cut, cap)
