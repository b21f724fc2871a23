"""Draws of chosen pairs: within four fifths of the pool, as many as before, whatever stands in held-out rows."""

from __future__ import annotations

import numpy as np
import pytest

from components.corpora.split_config import SplitConfig
from components.corpora.splits import SideIds, Splits, make_splits, pairs_apart
from components.embeddings import Embeddings
from components.errors import UserError
from components.pairing.draws import choose_draws

IDS = [f"i{n:03d}" for n in range(300)]
GROUPS = SideIds(ids=IDS, groups={i: f"g{n % 60}" for n, i in enumerate(IDS)})
PAIRS = [(i, i) for i in IDS[:200]]


def rows(seed: int) -> Embeddings:
    return Embeddings(IDS, np.random.default_rng(seed).normal(size=(len(IDS), 6)).astype(np.float32))


def splits(budget: int = 12) -> Splits:
    return make_splits(GROUPS, GROUPS, PAIRS, None, SplitConfig(pairs_budget=budget, heldout_fraction=0.1))


def chosen(given: Splits, left: Embeddings, right: Embeddings, how: str = "coverage") -> Splits:
    pools = {"random": given.pool, "group": pairs_apart(given.pool, given.heldout, GROUPS, GROUPS) or []}
    return choose_draws(given, pools, left, right, how=how, seed=0)


@pytest.mark.parametrize("how", ["coverage", "sequential"])
def test_every_draw_is_chosen_anew_from_its_pool(how: str) -> None:
    before = splits()
    after = chosen(before, rows(0), rows(1), how)
    assert (after.heldout, after.pool, after.unpaired_left) == (before.heldout, before.pool, before.unpaired_left)
    assert after.config["pairs_selection"] == how and any(f"chosen by {how}" in w for w in after.warnings)
    held = {GROUPS.groups[a] for a, _ in after.heldout}
    for split, draws in after.draws.items():
        assert [len(set(d)) for d in draws] == [12] * 5 and draws != before.draws[split]
        assert all(set(d) <= set(after.pool) - set(after.heldout) for d in draws)
    assert not held & {GROUPS.groups[a] for d in after.draws["group"] for a, _ in d}


def test_draws_differ_because_each_sees_four_fifths_of_the_pool() -> None:
    draws = chosen(splits(), rows(0), rows(1)).draws["random"]
    assert len({tuple(sorted(d)) for d in draws}) == 5
    again = chosen(splits(), rows(0), rows(1)).draws["random"]
    assert draws == again


def test_held_out_rows_decide_nothing() -> None:
    given, noise = splits(), rows(9)
    held = {a for a, _ in given.heldout}
    changed = [
        Embeddings(IDS, np.where([[i in held] for i in IDS], 50 * noise.vectors, side.vectors))
        for side in (rows(0), rows(1))
    ]
    assert chosen(given, rows(0), rows(1)).draws == chosen(given, *changed).draws


def test_chosen_pairs_cover_more_of_the_pool_than_random_ones() -> None:
    given, left, right = splits(), rows(0), rows(1)
    table = sum(_cosines(side, [a for a, _ in given.pool]) for side in (left, right)) / 2
    place = {p: n for n, p in enumerate(given.pool)}

    def covered(of: Splits) -> float:
        return float(np.mean([table[[place[p] for p in draw]].max(axis=0).mean() for draw in of.draws["random"]]))

    assert covered(chosen(given, left, right)) > covered(given) + 0.02


def test_where_the_budget_is_the_pool_nothing_is_left_to_choose() -> None:
    given = splits(budget=180)
    assert list(given.draws) == ["random"]
    after = choose_draws(given, {"random": given.pool}, rows(0), rows(1), how="coverage", seed=0)
    assert sorted(after.draws["random"][0]) == given.pool
    assert any("little to choose: 180 pairs of a pool of 180" in w for w in after.warnings)


def test_a_pool_with_held_out_ids_is_refused() -> None:
    given = splits()
    with pytest.raises(UserError, match="20 held-out ids are in the pool"):
        choose_draws(given, {"random": PAIRS, "group": PAIRS}, rows(0), rows(1), how="coverage", seed=0)


def _cosines(side: Embeddings, ids: list[str]) -> np.ndarray:
    unit = side.rows(ids) - side.vectors.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)
