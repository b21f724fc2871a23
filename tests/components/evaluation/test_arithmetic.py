"""Semantic arithmetic: queries from names alone, exact parallelograms, operands left out, chance."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import UserError
from components.evaluation.arithmetic import (
    Query,
    centred_units,
    find_queries,
    gain,
    ranks_without_operands,
    summarise_ranks,
)

COLOURS, SHAPES = ("red", "blue", "green"), ("heart", "circle", "square")
GRID = {f"{c[0]}{s[0]}": f"{c} {s}" for c in COLOURS for s in SHAPES}


def test_a_query_changes_one_word_as_it_changes_elsewhere() -> None:
    found = find_queries(GRID, ["bh"], per_item=100)
    assert {q.a for q in found} == {"rh", "gh", "bc", "bs"} and len(found) == 4  # another colour, or another shape
    for q in found:
        assert len(set(q.steps)) == 2 and q.operands == {q.a, *q.steps[0], *q.steps[1]} and q.wanted not in q.operands
        for step in q.steps:
            a, b, c, wanted = (GRID[i].split() for i in (q.a, *step, q.wanted))
            changed = 0 if a[0] != wanted[0] else 1
            assert a[1 - changed] == wanted[1 - changed] and b[1 - changed] == c[1 - changed] != a[1 - changed]
            assert (a[changed], wanted[changed]) == (b[changed], c[changed]) == q.words


def test_a_word_may_be_added() -> None:
    names = {"1": "cow", "2": "cow face", "3": "pig", "4": "pig face"}
    assert find_queries(names, ["2"]) == [Query("1", "2", ("", "face"), (("3", "4"),))]


def test_order_and_case_do_not_matter_and_doubled_names_take_no_part() -> None:
    once = find_queries(GRID, list(GRID), per_item=2, seed=3)
    turned = find_queries(
        {i: n.upper().replace(" ", "-") for i, n in reversed(GRID.items())}, list(reversed(GRID)), per_item=2, seed=3
    )
    assert [(q.a, q.steps, q.wanted) for q in once] == [(q.a, q.steps, q.wanted) for q in turned]
    doubled = GRID | {"twin": "blue heart"}
    assert all({"bh", "twin"}.isdisjoint({*q.operands, q.wanted}) for q in find_queries(doubled, list(doubled)))


def test_names_without_structure_are_one_sentence() -> None:
    with pytest.raises(UserError, match="differs from others by one word"):
        find_queries({"1": "a red heart", "2": "some blue circle", "3": "trees"}, ["1", "2", "3"])


def parts(seed: int = 0, extra: int = 40) -> tuple[list[str], np.ndarray]:
    """Items whose place is the sum of a colour's and a shape's, and strangers."""
    rng = np.random.default_rng(seed)
    place = {w: v for w, v in zip((*COLOURS, *SHAPES), rng.normal(size=(6, 12)), strict=True)}
    rows = [sum(place[w] for w in name.split()) for name in GRID.values()]
    return [*GRID, *(f"x{n}" for n in range(extra))], np.concatenate([rows, rng.normal(size=(extra, 12)) * 1.5])


def test_sums_of_parts_are_found_exactly_and_better_than_either_operand() -> None:
    ids, rows = parts()
    queries = find_queries(GRID, list(GRID), per_item=4)
    at = {i: n for n, i in enumerate(ids)}
    a, b, c = (rows[[at[getattr(q, o)] for q in queries]] for o in "abc")
    gallery = centred_units(rows, np.zeros((1, 12)))
    ours = ranks_without_operands(centred_units(a - b + c, np.zeros((1, 12))), queries, gallery, ids)
    assert summarise_ranks([ours, ours])["A@1"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "num": 2}
    alone = ranks_without_operands(centred_units(a, np.zeros((1, 12))), queries, gallery, ids)
    better = gain([ours], [alone], queries, k=1, seed=0)
    assert better.low > 0 and better.num == len(GRID)


def test_operands_are_no_candidates() -> None:
    query = Query("a", "w", ("", ""), (("b", "c"),))
    gallery = np.eye(4)
    point = np.array([[0.9, 0.8, 0.7, 0.1]])
    assert ranks_without_operands(point, [query], gallery, ["a", "b", "c", "w"]) == [1.0]
    assert ranks_without_operands(point, [query], gallery, ["x", "y", "z", "w"]) == [4.0]


def test_unrelated_places_are_at_chance() -> None:
    rng = np.random.default_rng(1)
    ids, _ = parts()
    queries = find_queries(GRID, list(GRID), per_item=4)
    draws = []
    for _ in range(60):
        rows = centred_units(rng.normal(size=(len(ids), 12)), np.zeros((1, 12)))
        points = centred_units(rng.normal(size=(len(queries), 12)), np.zeros((1, 12)))
        draws.append(ranks_without_operands(points, queries, rows, ids))
    found = summarise_ranks(draws)["A@10"]
    assert found["low"] <= 10 / (len(ids) - 5) <= found["high"]  # a and two steps are no candidates
    assert abs(gain(draws[:30], draws[30:], queries, k=10, seed=0).mean) < 0.1


def test_equal_scores_share_their_rank() -> None:
    query = Query("a", "w", ("", ""), (("b", "c"),))
    assert ranks_without_operands(np.ones((1, 1)), [query], np.ones((4, 1)), ["p", "w", "q", "r"]) == [2.5]
