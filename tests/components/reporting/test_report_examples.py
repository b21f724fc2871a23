"""Examples are typical, ranks are right, near-hits come with what luck would give."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from report_samples import asked

from components.reporting.data import Item
from components.reporting.examples import find_near_hits, pair_words, partner_ranks, pick_queries


def test_ranks_average_ties() -> None:
    scores = np.array([[1.0, 2.0, 0.0], [3.0, 3.0, 3.0], [0.0, 0.0, 1.0]])
    assert partner_ranks(scores).tolist() == [2.0, 2.0, 1.0]


def test_queries_are_even_steps_of_the_rank_list() -> None:
    one = asked(size=40)
    ranks = sorted(partner_ranks(one.scores))
    picked = pick_queries(one, num_queries=4, num_matches=5)
    assert [q.rank for q in picked] == [ranks[5], ranks[15], ranks[25], ranks[35]]


def test_matches_are_the_best_in_order_and_hits_are_true_partners() -> None:
    one = asked(size=40)
    for query in pick_queries(one, num_queries=40, num_matches=6):
        row = one.scores[list(one.query_ids).index(query.item.id)]
        assert [m.score for m in query.matches] == sorted(row, reverse=True)[:6]
        assert [m.item.id for m in query.matches if m.hit] == ([query.item.id] if query.rank <= 6 else [])
        assert query.partner.id == query.item.id


def test_only_items_that_are_shown_are_loaded() -> None:
    loaded: list[str] = []
    one = asked(size=50)
    counting = dataclasses.replace(one, answer=lambda name: loaded.append(name) or one.answer(name))
    pick_queries(counting, num_queries=2, num_matches=3)
    assert len(loaded) == 2 * (3 + 1)


def test_near_hits_are_misses_that_share_words() -> None:
    scores = np.array([[1, 2, 0, 0], [0, 1, 0, 0], [9, 0, 1, 0], [0, 0, 9, 1]], float)  # 0->1, 1 hit, 2->0, 3->2
    words = [frozenset({"flag", "red"}), frozenset({"flag"}), frozenset({"cat"}), frozenset({"cat", "red"})]
    ids = ["a", "b", "c", "d"]
    one = dataclasses.replace(asked(size=4), scores=scores, query_ids=ids, gallery_ids=ids)
    near = find_near_hits(one, words)
    assert (near.num_near, near.num_misses) == (2, 3)
    assert [(n.query.id, n.answer.id, n.partner.id, n.shared) for n in near.examples] == [
        ("a", "b", "a", ["flag"]),
        ("d", "c", "d", ["cat"]),
    ]
    # of the 3 wrong candidates a shares words with b, d; c with d; d with a, c
    assert near.expected == pytest.approx((2 / 3 + 1 / 3 + 2 / 3) / 3)


def test_near_hits_of_random_answers_are_as_many_as_expected() -> None:
    rng = np.random.default_rng(0)
    size = 400
    words = [frozenset({f"word{rng.integers(5)}"}) for _ in range(size)]
    ids = [f"{n}" for n in range(size)]
    one = dataclasses.replace(asked(size=size), scores=rng.random((size, size)), query_ids=ids, gallery_ids=ids)
    near = find_near_hits(one, words)
    assert near.expected is not None
    assert abs(near.num_near / near.num_misses - near.expected) < 4 * np.sqrt(0.2 * 0.8 / size)


def test_words_of_pairs_drop_what_everybody_has_but_keep_groups() -> None:
    left = [Item(id=str(n), title=f"picture of Number{'abcdef'[n]}xx and 12") for n in range(6)]
    right = [Item(id=str(n), text="Picture", group="flag") for n in range(6)]
    words = pair_words(left, right)
    assert words[0] == {"numberaxx", "flag"}


def test_scores_must_be_square_over_the_ids() -> None:
    with pytest.raises(ValueError, match="scores"):
        dataclasses.replace(asked(size=5), query_ids=["a"])
