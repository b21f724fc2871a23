"""What a cell of the alignment bench is fitted on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from components.corpora.paired import CutConfig, PairedRows, cut
from components.corpora.worlds import make_world
from components.embeddings import Embeddings
from components.files import Folder
from pipelines.bench.alignment.fitting import shuffled
from pipelines.bench.alignment.world import BenchWorld, from_generated, from_table


def table(*, spoil: Collection[str] = ()) -> PairedRows:
    """200 pairs of two views a side; the rows of the spoilt ids are far from all others."""
    rng = np.random.default_rng(0)
    sides = []
    for letter, widths in (("L", (6, 4)), ("R", (5, 3))):
        ids = [f"{letter}{k}" for k in range(200)]
        rows = rng.normal(size=(200, sum(widths))).astype(np.float32)
        rows[[i in spoil for i in ids]] += 50
        sides.append(Embeddings(ids, rows, widths))
    return PairedRows(left=sides[0], right=sides[1], pairs=[(f"L{k}", f"R{k}") for k in range(200)])


CONFIG = CutConfig(gallery=40, pool=160)


def test_only_unpaired_rows_shape_the_features() -> None:
    plain = table()
    found = cut(plain, CONFIG)
    unpaired = set(found.unpaired_left) | set(found.unpaired_right)
    spoilt = table(spoil={i for pair in found.gallery + found.pool for i in pair} - unpaired)
    one, other = (from_table(rows, found, None) for rows in (plain, spoilt))
    for side in ("left", "right"):
        ids = getattr(found, f"unpaired_{side}")
        assert np.allclose(getattr(one, side).rows(ids), getattr(other, side).rows(ids), atol=1e-6)
        assert not np.allclose(getattr(one, side).vectors, getattr(other, side).vectors, atol=1e-2)


def test_known_items_are_not_among_the_unpaired_rows() -> None:
    found = cut(table(), CONFIG)
    world = from_table(table(), found, cap=50)
    known = found.pool[:30]
    left, right = world.unpaired(known)
    assert left.shape[0] == right.shape[0] == 50
    taken = world.left.rows([a for a, _ in known])
    assert np.abs(left[:, None] - taken[None]).max(axis=2).min() > 1e-4
    assert len(world.pairs(known)) == 30


def test_a_written_world_comes_back(tmp_path: Path) -> None:
    world = from_table(table(), cut(table(), CONFIG), cap=70)
    world.write(Folder.at(tmp_path))
    again = BenchWorld.read(Folder.at(tmp_path))
    assert again.cut == world.cut and again.cap == 70
    ids = again.cut.unpaired_left[:5]
    assert np.array_equal(again.left.rows(ids), world.left.rows(ids))


def test_generated_worlds_keep_as_many_rows_as_asked() -> None:
    made = make_world("synth_lin", 0, num_unpaired=120, num_pairs=60, num_heldout=40)
    world = from_generated(made, cap=80)
    left, right = world.unpaired(world.cut.pool[:20])
    assert len(left) == len(right) == 80 and len(world.cut.gallery) == 40
    assert world.left.dim == 79  # centred rows have one axis less than there are rows


def test_the_control_gives_everybody_a_wrong_partner() -> None:
    pairs = [(f"L{k}", f"R{k}") for k in range(30)]
    wrong = shuffled(pairs, seed=1)
    assert {a for a, _ in wrong} == {a for a, _ in pairs} and {b for _, b in wrong} == {b for _, b in pairs}
    assert not set(wrong) & set(pairs)
