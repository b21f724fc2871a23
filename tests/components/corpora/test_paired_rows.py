"""Tables of true pairs and how they are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.corpora.paired import Cut, CutConfig, PairedRows, cut
from components.corpora.worlds import paired_rows
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder


def table(n: int = 400, *, extra: int = 0, groups: int = 0, seed: int = 0) -> PairedRows:
    """n pairs, and so many rows more on each side that have no partner."""
    rng = np.random.default_rng(seed)
    sides = []
    for letter in "LR":
        ids = [f"{letter}{k}" for k in range(n + extra)]
        sides.append(Embeddings(ids, rng.normal(size=(len(ids), 3)).astype(np.float32)))
    pairs = [(f"L{k}", f"R{k}") for k in range(n)]
    names = {f"L{k}": f"g{k % groups}" for k in range(n)} if groups else {}
    return PairedRows(left=sides[0], right=sides[1], pairs=pairs, groups=names)


def numbers(ids: list[str]) -> set[str]:
    return {i[1:] for i in ids}


def test_disjoint_sides_share_no_item() -> None:
    found = cut(table(), CutConfig(gallery=500, pool=200))
    assert len(found.gallery) == 100  # a quarter at most
    assert len(found.pool) == 200 and len(found.unpaired_left) == len(found.unpaired_right) == 100
    assert not numbers(found.unpaired_left) & numbers(found.unpaired_right)
    held = numbers([a for a, _ in found.gallery])
    assert not held & numbers(found.unpaired_left + found.unpaired_right + [a for a, _ in found.pool])


def test_sue_sides_share_most_items() -> None:
    found = cut(table(1000), CutConfig(protocol="sue", gallery=100, pool=800))
    left, right = numbers(found.unpaired_left), numbers(found.unpaired_right)
    assert len(left) == len(right) == 720
    assert len(left & right) / 800 == pytest.approx(0.81, abs=0.02)
    places = [found.unpaired_right.index(f"R{i[1:]}") for i in found.unpaired_left if i[1:] in right]
    assert abs(np.corrcoef(places, np.arange(len(places)))[0, 1]) < 0.15  # the order tells nothing


def test_a_group_is_in_the_gallery_or_outside_of_it() -> None:
    rows = table(600, groups=90)
    found = cut(rows, CutConfig(split="group", gallery=100, pool=400, seed=3))
    inside = {rows.groups[a] for a, _ in found.gallery}
    outside = {rows.groups[a] for a, _ in found.pool} | {rows.groups[a] for a in found.unpaired_left}
    assert 90 <= len(found.gallery) <= 100 and not inside & outside


def test_large_groups_stay_out_of_the_gallery() -> None:
    rows = table(600, groups=90)
    big = {a: "big" for a, _ in rows.pairs[:150]}
    mixed = PairedRows(left=rows.left, right=rows.right, pairs=rows.pairs, groups=rows.groups | big)
    found = cut(mixed, CutConfig(split="group", gallery=100, pool=400))
    assert found.gallery and "big" not in {mixed.groups[a] for a, _ in found.gallery}


def test_rows_without_partner_join_the_unpaired() -> None:
    found = cut(table(100, extra=50), CutConfig(gallery=20, pool=80))
    extra = {f"L{k}" for k in range(100, 150)}
    assert extra < set(found.unpaired_left) and len(found.unpaired_left) == 40 + 50
    assert extra & set(found.unpaired_left[:45])  # in random order


def test_the_cut_depends_on_ids_and_seed_alone() -> None:
    rows = table(extra=20)
    turned = PairedRows(
        left=rows.left.take(rows.left.ids[::-1]), right=rows.right, pairs=rows.pairs[::-1], groups=rows.groups
    )
    config = CutConfig(gallery=50, pool=100, seed=5)
    assert vars(cut(rows, config)) == vars(cut(turned, config))
    other: Cut = cut(rows, CutConfig(gallery=50, pool=100, seed=6))
    assert set(other.gallery) != set(cut(rows, config).gallery)


def test_what_cannot_be_cut() -> None:
    with pytest.raises(UserError, match="no groups"):
        cut(table(), CutConfig(split="group"))
    with pytest.raises(UserError, match="7 pairs are too few"):
        cut(table(7), CutConfig())
    with pytest.raises(UserError, match="protocol: 'both' is not allowed"):
        CutConfig(protocol="both")


def test_written_tables_come_back(tmp_path: Path) -> None:
    rows = table(30, groups=4)
    rows.write(Folder.at(tmp_path))
    again = PairedRows.read(Folder.at(tmp_path))
    assert again.pairs == rows.pairs and again.groups == rows.groups
    assert np.array_equal(again.left.rows(["L7", "L12"]), rows.left.rows(["L7", "L12"]))


def test_digits_are_one_item_on_both_sides() -> None:
    rows = paired_rows("digits")
    assert len(rows.pairs) == 1797 and rows.left.dim == rows.right.dim == 32
    with pytest.raises(UserError, match="no real table"):
        paired_rows("synth")
