"""Trials: the fit sees neither held-out rows nor partners among its unpaired rows; controls fall to chance."""

from __future__ import annotations

import numpy as np
import pytest

from components.alignment.protocol import Alignment, Pairs
from components.alignment.registry import BASELINES, make_aligner
from components.corpora.split_config import SplitConfig
from components.corpora.splits import SideIds, Splits, make_splits
from components.embeddings import Embeddings
from components.errors import UserError
from components.evaluation.controls import RANDOM, SHUFFLED, random_features
from components.evaluation.retrieval import chance
from components.evaluation.summary import group_ranks, summarise
from components.evaluation.trials import (
    World,
    needed_ids,
    plan_trials,
    ranks_table,
    run_trials,
    sample_unpaired,
)
from components.transforms import UnitRows, unit_rows

IDS = [f"i{n:03d}" for n in range(600)]
GROUPS = {i: f"g{n % 90}" for n, i in enumerate(IDS)}


def splits(**settings) -> Splits:  # type: ignore[no-untyped-def]
    config = {"pairs_budget": 40, "heldout_max": 100, "unpaired": "all", **settings}
    side = SideIds(ids=IDS, groups=GROUPS)
    return make_splits(side, side, [(i, i) for i in IDS], None, SplitConfig(**config))


def world(s: Splits, *, noise: float = 0.3) -> World:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(len(IDS), 5))
    left, right = (
        Embeddings(IDS, unit_rows(z @ rng.normal(size=(5, 24)) + noise * rng.normal(size=(len(IDS), 24)))) for _ in "lr"
    )
    unpaired = sample_unpaired(s, 0, limit=200)
    return World(left=left, right=right, unpaired_left=unpaired[0], unpaired_right=unpaired[1], heldout=s.heldout)


class Spy:
    """Remembers the rows that it was fitted on."""

    def __init__(self) -> None:
        self.seen: list[tuple[np.ndarray, np.ndarray, Pairs]] = []

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        self.seen.append((left, right, pairs))
        return Alignment(UnitRows(), UnitRows(), {"note": 1})


def test_a_fit_never_sees_heldout_rows_nor_its_own_pairs_unpaired() -> None:
    s, spy = splits(), Spy()
    w = world(s)
    results = run_trials(spy, plan_trials(s), w)
    held = {w.left.rows([i]).tobytes() for i, _ in s.heldout} | {w.right.rows([j]).tobytes() for _, j in s.heldout}
    for left, right, pairs in spy.seen:
        unpaired = {row.tobytes() for row in (*left, *right)}
        known = {row.tobytes() for row in (*pairs.left, *pairs.right)}
        assert not unpaired & known and not (unpaired | known) & held
        assert len(left) > 100 and len(pairs) == 40
    assert [(r.trial.split, r.trial.draw) for r in results] == [(n, d) for n in ("random", "group") for d in range(5)]
    assert results[0].facts() == {"split": "random", "draw": 0, "control": "none", "pairs": 40, "note": 1}


def test_group_draws_share_no_group_with_the_gallery_and_controls_keep_the_ids() -> None:
    s = splits()
    held = {GROUPS[i] for i, _ in s.heldout}
    for trial in plan_trials(s):
        if trial.split == "group":
            assert not held & {GROUPS[i] for i, _ in trial.pairs}
    for real, fake in zip(plan_trials(s)[:5], plan_trials(s, SHUFFLED), strict=True):
        assert {i for i, _ in real.pairs} == {i for i, _ in fake.pairs}
        assert all(i != j for i, j in fake.pairs) and fake.control == SHUFFLED
    assert [t.pairs for t in plan_trials(s, RANDOM)] == [t.pairs for t in plan_trials(s)[:5]]


@pytest.mark.parametrize("name", BASELINES)
def test_controls_fall_to_chance_where_the_method_itself_does_not(name: str) -> None:
    s = splits(draws=6)
    w = world(s)
    aligner = make_aligner(name)
    noise = {side: random_features(IDS, 24, seed=0, side=side) for side in ("left", "right")}
    control_world = World(**{**vars(w), **noise})
    table = ranks_table(
        run_trials(aligner, [t for t in plan_trials(s) if t.split == "random"], w)
        + run_trials(aligner, plan_trials(s, SHUFFLED), w)
        + run_trials(aligner, plan_trials(s, RANDOM), control_world)
    )
    groups = {control: summarise(draws)["mean"] for (_, control), draws in group_ranks(table).items()}
    expected = chance(len(s.heldout))
    assert groups["none"]["ci95"]["R@10"][0] > 3 * expected.recall[10]
    for control in (SHUFFLED, RANDOM):
        low, high = groups[control]["ci95"]["foscttm"]
        assert low - 0.02 < 0.5 < high + 0.02
        low, high = groups[control]["ci95"]["R@10"]
        assert low - 1 < expected.recall[10] < high + 1 and groups[control]["R@10"] < 1.6 * expected.recall[10]


def test_order_of_rows_does_not_matter() -> None:
    s = splits()
    w = world(s)
    order = np.random.default_rng(0).permutation(len(IDS))
    mixed = World(**{**vars(w), "left": Embeddings([IDS[n] for n in order], w.left.vectors[order])})
    aligner = make_aligner("kernel-ridge")
    a, b = (ranks_table(run_trials(aligner, plan_trials(s)[:2], x)) for x in (w, mixed))
    assert a.equals(b)


def test_sampled_and_needed_ids() -> None:
    s = splits()
    left, right = sample_unpaired(s, seed=0, limit=50)
    assert len(left) == len(right) == 50 and set(left) <= set(s.unpaired_left)
    assert sample_unpaired(s, seed=0, limit=50) == (left, right) != sample_unpaired(s, seed=1, limit=50)
    needed = set(needed_ids(s, (left, right))[0])
    assert needed >= set(left) | {i for i, _ in s.heldout} | {i for i, _ in s.pairs("group", 4)}


def test_an_id_without_a_row_is_named() -> None:
    s = splits()
    w = world(s)
    lost = World(**{**vars(w), "heldout": [("nobody", "nobody")]})
    with pytest.raises(UserError, match="nobody"):
        run_trials(make_aligner("procrustes"), plan_trials(s)[:1], lost)
