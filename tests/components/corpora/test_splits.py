"""Splits depend on ids and seed only, never leak, and say when they cannot be made."""

from __future__ import annotations

import random

import pytest

from components.corpora.split_config import SplitConfig
from components.corpora.splits import SideIds, Splits, known_so_far, make_splits
from components.errors import UserError
from components.files import Folder

N = 1200


def sides(groups: bool = True) -> tuple[SideIds, SideIds, list[tuple[str, str]]]:
    left = [f"a{n}" for n in range(N)]
    right = [f"b{n}" for n in range(N)]
    names = {i: f"g{n // 3}" for n, i in enumerate(left)} if groups else {}
    return SideIds(ids=left, groups=names), SideIds(ids=right), list(zip(left, right, strict=True))


def make(heldout: list[tuple[str, str]] | None = None, **config: object) -> Splits:
    left, right, pairs = sides()
    return make_splits(left, right, pairs, heldout, SplitConfig(**config))  # type: ignore[arg-type]


def test_result_does_not_depend_on_the_order_of_anything() -> None:
    left, right, pairs = sides()
    before = make_splits(left, right, pairs, None, SplitConfig())
    shuffle = random.Random(1).shuffle
    for rows in (left.ids, right.ids, pairs):
        shuffle(rows)
    assert make_splits(left, right, pairs, None, SplitConfig()) == before


def test_seed_decides() -> None:
    assert make(seed=0) == make(seed=0)
    assert make(seed=0).pairs() != make(seed=1).pairs()
    assert make(seed=0).heldout != make(seed=1).heldout


def test_heldout_is_never_fitted_on() -> None:
    splits = make(draws=6)
    lefts, rights = map(set, zip(*splits.heldout, strict=True))
    assert len(splits.heldout) == 300
    for split in splits.names:
        for draw in range(6):
            fitted = splits.pairs(split, draw)
            assert len(fitted) == len(set(fitted)) == 100
            assert not lefts & {a for a, _ in fitted}
    assert not lefts & set(splits.unpaired_left)
    assert not rights & set(splits.unpaired_right)


def test_heldout_max_and_given_heldout() -> None:
    assert len(make(heldout_max=40).heldout) == 40
    left, right, pairs = sides()
    given = make_splits(left, right, pairs[50:], pairs[:50], SplitConfig())
    assert given.heldout_from == "given"
    assert given.heldout == sorted(pairs[:50])


def test_disjoint_sides_share_no_item_and_all_keeps_them() -> None:
    disjoint = make()
    of_left = {i[1:] for i in disjoint.unpaired_left}
    of_right = {i[1:] for i in disjoint.unpaired_right}
    assert disjoint.unpaired == "disjoint"
    assert not of_left & of_right
    assert len(of_left | of_right) == N - 300
    assert abs(len(of_left) - len(of_right)) < 150
    assert make(unpaired="all").unpaired_left == sorted(a for a, _ in disjoint.pool)


def test_falls_back_to_all_when_a_side_would_be_too_small() -> None:
    left, right, pairs = sides()
    few = make_splits(SideIds(ids=left.ids[:300]), SideIds(ids=right.ids[:300]), pairs[:300], None, SplitConfig())
    assert few.unpaired == "all"
    assert "disjoint" in few.warnings[0]


def test_group_split_shares_no_group_with_heldout() -> None:
    splits = make(pairs_budget=50)
    groups = sides()[0].groups
    heldout = {groups[a] for a, _ in splits.heldout}
    for draw in splits.draws["group"]:
        assert not heldout & {groups[a] for a, _ in draw}


def test_group_split_is_absent_with_a_reason() -> None:
    left, right, pairs = sides(groups=False)
    assert "no group column" in make_splits(left, right, pairs, None, SplitConfig()).absent["group"]
    crowded = SideIds(ids=left.ids, groups=dict.fromkeys(left.ids, "same"))
    assert "only 0 known pairs" in make_splits(crowded, right, pairs, None, SplitConfig()).absent["group"]


def test_shuffled_pairs_are_a_derangement_of_the_same_ids() -> None:
    splits = make()
    true, wrong = splits.pairs("random", 2), splits.shuffled("random", 2)
    assert sorted(b for _, b in true) == sorted(b for _, b in wrong)
    assert [a for a, _ in true] == [a for a, _ in wrong]
    assert all(t != w for t, w in zip(true, wrong, strict=True))


def test_one_draw_when_the_budget_takes_the_whole_pool() -> None:
    left, right, pairs = sides()
    splits = make_splits(left, right, pairs[:100], pairs[100:200], SplitConfig(pairs_budget=100))
    assert len(splits.draws["random"]) == 1
    assert "all known pairs are used" in splits.warnings[0]
    assert len(make(pairs_budget=None).pairs()) == 900


def test_draws_are_spread_over_the_pool() -> None:
    splits = make(pairs_budget=90, draws=50)
    counts = [sum(p in draw for draw in map(set, splits.draws["random"])) for p in splits.pool]
    assert sum(counts) / len(counts) == pytest.approx(5)  # each pair is in a tenth of 50 draws
    assert 1.7 < (sum((c - 5) ** 2 for c in counts) / len(counts)) ** 0.5 < 2.6  # binomial: sqrt(50 * .1 * .9) = 2.1


@pytest.mark.parametrize(
    ("num_pairs", "config", "words"),
    [(110, {"pairs_budget": 100}, "28 would be held out .* and 82 are left"), (2, {}, "too few")],
)
def test_too_few_pairs(num_pairs: int, config: dict[str, int], words: str) -> None:
    left, right, pairs = sides()
    with pytest.raises(UserError, match=words):
        make_splits(left, right, pairs[:num_pairs], None, SplitConfig(**config))


def test_too_few_pairs_beside_given_heldout() -> None:
    left, right, pairs = sides()
    with pytest.raises(UserError, match="80 known pairs are fewer than the pairs_budget of 100"):
        make_splits(left, right, pairs[:80], pairs[100:], SplitConfig())


def test_json_round_trip(tmp_path: object) -> None:
    folder = Folder.at(str(tmp_path))
    splits = make()
    splits.write(folder)
    assert Splits.read(folder) == splits


@pytest.mark.parametrize(
    "bad",
    [{"draws": 1}, {"pairs_budget": 1}, {"heldout_fraction": 1.0}, {"unpaired": "some"}, {"heldout_max": 0}],
)
def test_settings_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(bad))):
        SplitConfig(**bad)  # type: ignore[arg-type]


def test_a_budget_of_zero_draws_nothing_and_keeps_pairs_to_judge_by() -> None:
    ids = [f"i{n:03d}" for n in range(300)]
    pairs = [(i, i) for i in ids[:80]]
    splits = make_splits(SideIds(ids=ids), SideIds(ids=ids), pairs, None, SplitConfig(pairs_budget=0))
    assert splits.draws == {"random": [[]]} and len(splits.heldout) == 20 and splits.numbers()["pairs"] == 0
    given = make_splits(SideIds(ids=ids), SideIds(ids=ids), [], pairs, SplitConfig(pairs_budget=0))
    assert given.draws == {"random": [[]]} and len(given.heldout) == 80
    with pytest.raises(UserError, match="pairs_budget"):
        SplitConfig(pairs_budget=1)


def test_what_is_known_so_far_is_what_the_splits_hold_out_and_fit_on() -> None:
    pairs = [(f"l{n}", f"r{n}") for n in range(80)]
    ids = [SideIds(ids=[p[n] for p in pairs]) for n in (0, 1)]
    config = SplitConfig(pairs_budget=20, seed=3)
    splits, now = make_splits(*ids, pairs, None, config), known_so_far(pairs, None, config)
    assert (now.fitted, now.heldout) == (splits.pairs(), splits.heldout)
    given = known_so_far(pairs[10:], pairs[:10], SplitConfig(pairs_budget=None))
    assert (sorted(given.fitted), given.heldout) == (sorted(pairs[10:]), sorted(pairs[:10]))


@pytest.mark.parametrize("num", [0, 1, 3])
def test_few_pairs_are_known_so_far_where_splits_would_refuse_them(num: int) -> None:
    pairs = [(f"l{n}", f"r{n}") for n in range(num)]
    now = known_so_far(pairs, None, SplitConfig(pairs_budget=100))
    assert sorted(now.fitted + now.heldout) == pairs and len(now.heldout) == round(num / 4)
