"""Which pairs of two edges are fitted on, which A–C pairs judge: nothing leaks, and no order of rows matters."""

from __future__ import annotations

from typing import Any

import pytest

from components.corpora.triples import FEWEST, Fitted, TripleConfig, Triples, make_triples
from components.errors import UserError
from components.files import Folder

N = 120
IDS = {side: [f"{side}{n}" for n in range(N)] for side in "abc"}
EDGES = {edge: [(f"{edge[0]}{n}", f"{edge[1]}{n}") for n in range(N)] for edge in ("ab", "bc")}
CONFIG = TripleConfig(ab=30, bc=20, heldout_fraction=0.25, draws=3)


def made(config: TripleConfig = CONFIG, **more: Any) -> Triples:
    return make_triples(more.pop("ids", IDS), more.pop("edges", EDGES), config, **more)


def numbers(ids: Any) -> set[str]:
    """Item n of every side is ``<side><n>``."""
    return {i[1:] for i in ids}


def test_nothing_follows_from_the_fitted_pairs_and_nothing_judged_is_seen() -> None:
    triples = made()
    judged = numbers(a for a, _ in triples.heldout)
    assert triples.heldout_from == "derived" and len(judged) == N // 4
    assert all(a[1:] == c[1:] for a, c in triples.heldout)
    assert numbers(triples.bridge) == numbers(IDS["b"]) - judged
    for draw in triples.draws:
        ab, bc = numbers(b for _, b in draw.ab), numbers(b for b, _ in draw.bc)
        assert (len(draw.ab), len(draw.bc), len(draw.ac)) == (30, 20, 20)
        assert not ab & bc and not judged & (ab | bc | numbers(a for a, _ in draw.ac))
    sides = {side: numbers(ids) for side, ids in triples.unpaired.items()}
    assert sum(map(len, sides.values())) == len(set.union(*sides.values()))  # no item is unpaired on two sides
    assert not judged & set.union(*sides.values())


def test_the_order_of_ids_and_pairs_does_not_matter_but_the_seed_does() -> None:
    turned = {side: ids[::-1] for side, ids in IDS.items()}
    shuffled = {edge: pairs[::-1] for edge, pairs in EDGES.items()}
    assert made(ids=turned, edges=shuffled) == made()
    other = made(TripleConfig(ab=30, bc=20, draws=3, seed=1))
    assert other.heldout != made().heldout and other.draws != made().draws


def test_the_beginning_of_the_bridge_is_a_sample() -> None:
    """Not the lowest ids: the mean place of the first half is that of all."""
    places = [int(b[1:]) for b in made(TripleConfig(ab=30, bc=20, heldout_max=1)).bridge]
    assert len(places) == N and abs(sum(places[:60]) / 60 - (N - 1) / 2) < 12


def test_pairs_that_judge_may_be_given() -> None:
    given = [(f"a{n}", f"c{n}") for n in range(100, 110)]
    edges = {edge: pairs[:100] for edge, pairs in EDGES.items()}
    triples = made(edges=edges, heldout=given)
    assert (triples.heldout, triples.heldout_from) == (sorted(given), "given")
    assert set(triples.bridge) == set(IDS["b"])  # no item of B belongs to them
    with pytest.raises(UserError, match=r"2 items of the held-out A–C pairs \(e.g. 'a5'\) are in the A–B pairs too"):
        made(heldout=[("a5", "c110"), ("a6", "c111")], edges=edges)
    with pytest.raises(UserError, match=r"1 item of the held-out A–C pairs \(e.g. 'c5'\) is in the B–C pairs too"):
        made(heldout=[("a110", "c5")], edges=edges)


def test_ready_spaces_draw_nothing_and_are_not_judged_by_what_they_saw() -> None:
    seen = Fitted(a=frozenset(f"a{n}" for n in range(50)), c=frozenset(f"c{n}" for n in range(50, 100)))
    triples = made(TripleConfig(heldout_fraction=0.9), fitted=seen)
    assert len(triples.draws) == 1 and not triples.draws[0].ab and not triples.draws[0].bc
    assert triples.heldout and not any(seen.has(pair) for pair in triples.heldout)


def test_without_a_pair_across_nothing_judges_and_that_is_said() -> None:
    edges = {"ab": EDGES["ab"][:60], "bc": EDGES["bc"][60:]}
    triples = made(edges=edges)
    assert (triples.heldout, triples.heldout_from, triples.draws[0].ac) == ([], "none", [])
    assert len(triples.warnings) == 2 and "no A–C pair is known" in triples.warnings[0]


def test_budgets_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(UserError, match=r"pairs.ab: .* fewer than the 100 asked for .* lower budgets.ab"):
        made(TripleConfig(ab=100, bc=20))
    few = {"ab": EDGES["ab"][: FEWEST - 1], "bc": EDGES["bc"][60:]}
    with pytest.raises(UserError, match=r"pairs.ab: 9 pairs can be fitted on.* give more pairs"):
        made(TripleConfig(ab=None, bc=None), edges=few)
    with pytest.raises(UserError, match="the bridge is empty"):
        made(ids={**IDS, "b": []})


def test_shuffled_pairs_are_a_derangement() -> None:
    triples = made()
    for draw in range(3):
        pairs, wrong = triples.draws[draw].ab, triples.shuffled("ab", draw)
        assert [a for a, _ in wrong] == [a for a, _ in pairs]
        assert sorted(b for _, b in wrong) == sorted(b for _, b in pairs)
        assert not set(wrong) & set(pairs)


def test_triples_come_back(tmp_path: Any) -> None:
    triples, folder = made(), Folder.at(tmp_path).make()
    triples.write(folder)
    assert Triples.read(folder) == triples
    counts = triples.numbers()
    assert (counts["ab"], counts["bc"], counts["heldout"], counts["draws"]) == (30, 20, 30, 3)
