"""A fit step's files: ranks of every trial, maps from the encoder's rows, controls, no trace of row order."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from align_world import make_world

from components.embeddings import Embeddings
from components.errors import UserError
from components.evaluation.retrieval import RANKS_SCHEMA, rank_partners


def test_ranks_cover_every_trial_and_the_maps_reproduce_the_primary_draw(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    facts = world.fit("ridge-cca", controls=True)
    out, heldout = world.root.sub("fit-ridge-cca"), world.splits.heldout
    ranks = out.read_table("ranks.parquet")
    assert ranks.schema == RANKS_SCHEMA
    assert ranks.num_rows == (2 * 5 + 2 * 5) * 2 * len(heldout)
    assert (facts["fits"], facts["controls"]) == (20, 10)
    assert [d["draw"] for d in out.read_json("diagnostics.json")[:6]] == [0, 1, 2, 3, 4, 0]
    left, right = world.mapped("fit-ridge-cca")
    primary = ranks.slice(0, len(heldout))
    assert primary["split"][0].as_py() == "random" and primary["query"].to_pylist() == [i for i, _ in heldout]
    np.testing.assert_array_equal(primary["rank"].to_numpy(), rank_partners(left, right).rank)


def test_controls_are_at_chance_and_the_method_is_not(tmp_path: Path) -> None:
    # A control's single draw scatters widely (the rows have few true dimensions), so its mean takes many draws.
    facts = make_world(tmp_path, draws=20).fit("ridge-cca", controls=True, settings={"ridge": 1.0})
    assert facts["R@10"] > 80  # chance 10
    assert abs(facts["R@10.shuffled-pairs"] - 10) < 3 and abs(facts["R@10.random-features"] - 10) < 2


@pytest.mark.parametrize("method", ["ridge-cca", "contrastive"])
def test_same_bits_whatever_the_order_of_rows(tmp_path: Path, method: str) -> None:
    worlds = [make_world(tmp_path / str(shuffle), shuffle=shuffle) for shuffle in (False, True)]
    for world in worlds:
        world.fit(method, settings={"dim": 8})
    a, b = (w.root.sub(f"fit-{method}") for w in worlds)
    assert [f.name for f in a.files()] == [f.name for f in b.files()]
    for file in a.files():
        assert a.read_bytes(file.name) == b.read_bytes(file.name), file.name


def test_heldout_rows_do_not_touch_the_maps(tmp_path: Path) -> None:
    worlds = [make_world(tmp_path / name) for name in ("as-is", "replaced")]
    held = {i for i, _ in worlds[1].splits.heldout}
    rows = Embeddings.read(worlds[1].root.sub("left"))
    junk = np.random.default_rng(1).normal(size=rows.vectors.shape).astype(np.float32) * 9
    keep = np.array([i not in held for i in rows.ids])[:, None]
    Embeddings(rows.ids, np.where(keep, rows.vectors, junk)).write(worlds[1].root.sub("left"))
    for world in worlds:
        world.fit("kernel-ridge")
    a, b = (w.root.sub("fit-kernel-ridge") for w in worlds)
    assert a.read_bytes("left.safetensors") == b.read_bytes("left.safetensors")
    assert (
        pc.mean(b.read_table("ranks.parquet")["rank"]).as_py() > pc.mean(a.read_table("ranks.parquet")["rank"]).as_py()
    )


def test_unknown_method_and_setting_are_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with pytest.raises(UserError, match="choose from"):
        world.fit("magic")
    with pytest.raises(UserError, match="'rank' is not a setting of procrustes"):
        world.fit("procrustes", settings={"rank": 3})
    with pytest.raises(UserError, match="40 pairs are too few for 64 CCA dimensions"):
        world.fit("ridge-cca", settings={"dim": 64})
