"""What the steps of a bridge share: fits of all draws in one file, sums in parts, the choice of what is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from bridge_worlds import random_world

from components.bridging.critic import Critic, CriticPair
from components.bridging.fitted import ROWS, FittedCritics
from components.bridging.prepared import PreparedBridge
from components.bridging.scores import BridgeOptions
from components.corpora.triples import TripleConfig, make_triples
from components.files import Folder
from components.transforms import Identity, Linear
from pipelines.steps.bridge_evaluate import _ambiguity, _curve, _exported
from pipelines.steps.bridge_export import settled
from pipelines.steps.bridge_rows import each_fit, read_critics, wanted, write_critics
from pipelines.steps.bridge_shards import ITEMS_A_SHARD, estimate_sharded, num_shards


def fitted(scale: float, loss: float = 1.0) -> FittedCritics:
    pair = CriticPair(Critic(kind="dot", scale=scale, dim=2), Critic(kind="cosine", scale=2 * scale, dim=2))
    maps = {name: Identity() for name in ROWS} | {"c": Linear(np.zeros(3), np.full((3, 2), scale))}
    edges = {edge: {"loss": loss, "chance": 3.0, "recall": 5.0} for edge in ("ab", "bc")}
    return FittedCritics(critics=pair, maps=maps, edges=edges)


def test_critics_of_all_draws_come_back_from_one_file(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "critics").make()
    fits = {("none", 0): fitted(1.0), ("none", 1): fitted(2.0), ("shuffled-pairs", 0): fitted(3.0)}
    write_critics(folder, fits)
    again = read_critics(folder)
    assert list(again) == list(fits) and [f.name for f in folder.files()] == ["critics.safetensors"]
    for key, one in fits.items():
        assert again[key].critics == one.critics and again[key].loss == one.loss == -4
        np.testing.assert_array_equal(again[key].rows("c", np.ones((2, 3))), one.rows("c", np.ones((2, 3))))


def test_every_draw_is_fitted_and_controls_have_wrong_pairs_on_one_edge() -> None:
    ids = {side: [f"{side}{n}" for n in range(80)] for side in "abc"}
    edges = {edge: [(f"{edge[0]}{n}", f"{edge[1]}{n}") for n in range(80)] for edge in ("ab", "bc")}
    triples = make_triples(ids, edges, TripleConfig(ab=15, bc=15, draws=3))
    fits = dict(each_fit(triples, controls=2))
    assert list(fits) == [("none", 0), ("none", 1), ("none", 2), ("shuffled-pairs", 0), ("shuffled-pairs", 1)]
    for draw in range(2):
        true, wrong = fits["none", draw], fits["shuffled-pairs", draw]
        assert wrong["bc"] == true["bc"] and not set(wrong["ab"]) & set(true["ab"])
    needed = set(wanted(triples, "b", ["b79"]))
    assert {b for draw in triples.draws for _, b in draw.ab} | {
        b for draw in triples.draws for b, _ in draw.bc
    } <= needed
    assert "b79" in needed and not needed & {i for side in "ac" for i in ids[side]}


def test_shards_are_as_many_as_asked_or_one_for_so_many_items() -> None:
    assert [num_shards(asked, 10) for asked in (None, 3, 50)] == [1, 3, 10]
    assert [num_shards(None, items) for items in (ITEMS_A_SHARD, ITEMS_A_SHARD + 1)] == [1, 2]


@pytest.mark.parametrize("kinds", [("cosine", "dot"), ("l2", "cosine")])
def test_a_weighted_bridge_in_parts_is_the_whole(tmp_path: Path, kinds: tuple[str, str]) -> None:
    a, c, bridge, critics = random_world(kinds=kinds, items=101)
    weights = np.random.default_rng(3).normal(size=(2, 101))
    heavy = type(bridge)(bridge.ids, bridge.first, bridge.second, weights.sum(axis=0))
    prepared, options = PreparedBridge(heavy, critics, *weights, True), BridgeOptions(ess_floor=1e9)
    whole = prepared.estimate("monte-carlo", a, c, options)
    parts = estimate_sharded(
        prepared, a, c, options, shards=4, engine="local", work=Folder.at(tmp_path / "work").make()
    )
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-11)
    np.testing.assert_allclose(parts.ess, whole.ess, rtol=1e-10)
    assert parts.details["shards"] == 4 and list(parts.warnings) == list(whole.warnings)


def test_the_way_of_the_likeliest_pairs_is_exported() -> None:
    fits = {"aligned": fitted(1.0, loss=2.0), "shared": fitted(1.0, loss=1.5)}
    about: dict[str, Any] = {way: {"ess": {"monte-carlo": {}, "direct": {}}} for way in fits}
    chosen = _exported({"export": "auto", "estimator": "direct"}, fits, about)
    assert chosen["method"] == "direct (shared)" and "shared -3.00, aligned -2.00 nats" in chosen["why"]
    assert _exported({"export": "aligned", "estimator": "direct"}, fits, about)["method"] == "direct (aligned)"
    # an estimator that the critics do not allow gives way to one that they do
    assert _exported({"export": "auto", "estimator": "sphere"}, fits, about)["estimator"] == "monte-carlo"


def test_curves_are_means_over_draws() -> None:
    rows = [{"method": "m", "size": s, "draw": d, "recall": s + d} for s in (20, 10) for d in (0, 2)]
    found = _curve("aligned", rows)
    assert [(r["size"], r["recall"]) for r in found] == [(10, 11), (20, 21)]
    assert all(r["low"] < r["recall"] < r["high"] for r in found)


def test_recall_is_told_by_quarters_of_ambiguity() -> None:
    """Rank 1 for the clearer half of the queries, 99 for the others: quarters of 100, 100, 0 and 0 %."""
    names = [f"q{n}" for n in range(40)]
    both = [(d, n, q) for d in ("left_to_right", "right_to_left") for n, q in enumerate(names)]
    queries = pa.Table.from_pylist([{"draw": 0, "direction": d, "query": q, "ambiguity": float(n)} for d, n, q in both])
    about = {"draw": 0, "method": "m", "control": "none"}
    ranks = pa.Table.from_pylist(
        [{**about, "direction": d, "query": q, "rank": 1.0 if n < 20 else 99.0} for d, n, q in both]
    )
    found = _ambiguity("aligned", queries, ranks)
    for direction in ("left_to_right", "right_to_left"):
        some = [r for r in found if r["direction"] == direction]
        assert [r["recall"] for r in some] == [100, 100, 0, 0]
        assert [r["ambiguity"] for r in some] == sorted(r["ambiguity"] for r in some)


def test_what_was_chosen_on_many_rows_is_settled_for_single_queries() -> None:
    bridge = {"memory_mb": 1, "ess_floor": 2.0, "top": None, "bandwidth": None}
    smoothed = settled("smoothed", bridge, {"bandwidth": 0.1}, seed=3)
    assert smoothed == {
        "estimator": "smoothed",
        "options": {"memory_budget": 1 << 20, "ess_floor": 2.0, "seed": 3, "top": None, "bandwidth": 0.1},
    }
    auto = settled("auto", bridge, {"chosen": "smoothed", "bandwidth": 0.2}, seed=0)
    assert (auto["estimator"], auto["options"]["bandwidth"]) == ("smoothed", 0.2)
    asked = settled("smoothed", {**bridge, "bandwidth": 0.0}, {"bandwidth": 0.1}, seed=0)
    assert asked["options"]["bandwidth"] == 0.0
