"""What the alignment bench concludes from its cells."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.bench.alignment.claims import make_claims
from pipelines.bench.alignment.grid import Setting
from pipelines.bench.alignment.records import CellResult


def cells(setting: Setting, values: list[float]) -> list[CellResult]:
    """One cell per seed with this R@10."""
    return [
        CellResult(setting=setting, seed=n, status="ok", facts={"scores": {"mean": {"R@10": v}}})
        for n, v in enumerate(values)
    ]


def claim(found: list[dict[str, Any]], name: str, **wanted: Any) -> dict[str, Any]:
    (one,) = [c for c in found if c["claim"] == name and all(c[k] == v for k, v in wanted.items())]
    return one


def test_pairs_needed_compares_seed_by_seed() -> None:
    auto = Setting(corpus="synth", selection="coverage", budget=30, method="auto")
    heads = Setting(corpus="synth", budget=300, method="contrastive")
    found = claim(make_claims(cells(auto, [31, 29, 30]) + cells(heads, [27, 26, 28])), "pairs-needed")
    assert found["holds"] and found["certain"] and found["value"] == pytest.approx(3) and found["seeds"] == 3
    found = claim(make_claims(cells(auto, [26, 20, 25]) + cells(heads, [27, 26, 28])), "pairs-needed")
    assert found["holds"] is False
    found = claim(make_claims(cells(auto, [26, 20, 25])), "pairs-needed")
    assert found["holds"] is None and found["reason"] == "not measured"


@pytest.mark.parametrize(("few", "grows"), [([20, 21, 19], True), ([30, 24, 26], False)])
def test_growth_with_unpaired_rows_needs_an_interval_above_zero(few: list[float], grows: bool) -> None:
    whole = Setting(corpus="digits")
    found = make_claims(cells(whole, [27, 28, 26]) + cells(Setting(corpus="digits", rows=200), few))
    assert claim(found, "unpaired-rows")["holds"] is grows


def test_auto_is_held_against_the_best_simple_map_of_each_place() -> None:
    found = []
    for budget, auto, csa, ridge in ((50, 20.0, 18.0, 19.0), (100, 29.0, 30.0, 25.0)):
        for method, value in (("auto", auto), ("csa", csa), ("ridge-map", ridge), ("eigen-cca", 99.0)):
            found += cells(Setting(corpus="digits", budget=budget, method=method), [value, value + 1])
    worst = claim(make_claims(found), "never-below-simple")
    assert worst["holds"] is False and worst["value"] == pytest.approx(-1) and worst["places"] == 2
    assert worst["worst"]["budget"] == 100 and worst["worst"]["simple"] == "csa"


def test_wrong_pairs_are_no_evidence() -> None:
    found = cells(Setting(corpus="digits", control="shuffled-pairs"), [1, 2])
    found += cells(Setting(corpus="digits", control="shuffled-pairs", method="csa"), [5, 6])
    assert claim(make_claims(found), "never-below-simple")["holds"] is None


def test_chosen_pairs_are_held_against_the_best_simple_map_on_random_ones() -> None:
    chosen = cells(Setting(corpus="emoji", selection="coverage", budget=50), [30, 28])
    random = cells(Setting(corpus="emoji", budget=50, method="kernel-ridge"), [20, 20])
    random += cells(Setting(corpus="emoji", budget=50, method="csa"), [25, 10])
    found = claim(make_claims(chosen + random), "chosen-pairs", split="random", budget=50)
    assert found["holds"] and found["value"] == pytest.approx(1.45)
    assert claim(make_claims(chosen + random), "chosen-pairs", split="group", budget=50)["holds"] is None
