"""The model's card says what was measured, and names the failures that its numbers show."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from components.evaluation.hubs import hubs
from components.reporting.model_card import card_markdown, make_card


def score(r10: float, low: float) -> dict[str, Any]:
    values = {"R@1": r10 / 5, "R@5": r10 / 2, "R@10": r10}
    ends = {name: [low * v / r10, 1.2 * v] for name, v in values.items()}
    return {**values, "ci95": ends, "gallery": 478, "draws": 5, "median_rank": 30.0, "foscttm": 0.15}


def method(r10: float, low: float) -> dict[str, Any]:
    return {d: score(r10, low) for d in ("left_to_right", "right_to_left", "mean")}


CHANCE = method(2.1, 2.1)
INDEX = {"kind": "exact", "rows": 1914, "bytes": 3 << 20, "recall": 1.0, "k": 10}
METRICS: dict[str, Any] = {
    "primary_split": "random",
    "retrieval": {"auto": method(50.0, 40.0), "chance": CHANCE},
    "splits": {"group": {"retrieval": {"auto": method(45.0, 35.0), "chance": CHANCE}}},
    "splits_absent": {"given": "no held-out file"},
    "alignability": {"level": "moderate", "verdict": "CKA 0.45: moderate shared geometry"},
    "pairs": {"pairs": 100, "heldout": 478, "draws": 5, "selection": "coverage"},
    "confidence": {
        "gallery": {"left_to_right": 1814, "right_to_left": 1814},
        "recall": {m: {"now": {"value": 30.0, "low": 20.0, "high": 40.0}} for m in ("R@1", "R@5", "R@10")},
        "heldout": {
            "calibration": {"ece": 0.02, "brier": 0.1, "brier_base": 0.2, "mean": 0.61, "rate": 0.6, "num": 956}
        },
        "advice": "With 50 more known pairs, 5 more of 100 are found.",
    },
}
SIDE: dict[str, Any] = {
    "modality": "text",
    "rows": 1914,
    "digest": "sha256:abc",
    "licences": ["CC BY 4.0"],
    "encoders": [{"encoder": "minilm", "column": "", "licence": "Apache-2.0", "fingerprint": "minilm@1 x==2"}],
    "quarantined": 0,
    "index": INDEX,
}
EVEN = {"share": 0.05, "even": 0.045, "queries": 1000}


def card(metrics: dict[str, Any] = METRICS, **more: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"sides": {"left": SIDE, "right": SIDE}, "hubs": {"left_to_right": EVEN}, **more}
    return make_card(name="emoji", aligner="auto", metrics=metrics, **facts)


def changed(**paths: Any) -> dict[str, Any]:
    """The metrics with some values replaced; ``__`` between the parts of a path."""
    metrics = copy.deepcopy(METRICS)
    for path, value in paths.items():
        *parents, last = path.split("__")
        place = metrics
        for parent in parents:
            place = place[parent]
        place[last] = value
    return metrics


def test_a_good_model_has_only_the_misses_that_its_recall_implies() -> None:
    assert card()["known_failures"] == ["50 of 100 queries do not find their partner among the first 10 of 478."]


def test_the_page_holds_every_number_of_the_card_and_json_takes_it() -> None:
    made = json.loads(json.dumps(card(), allow_nan=False))
    text = card_markdown(made)
    for part in (
        "aligned by Auto on 100 known pairs (chosen by coverage); 478 others were held out",
        "| left to right | 10.0 (8.0 to 12.0; 0.4) | 25.0 (20.0 to 30.0; 1.1) | 50.0 (40.0 to 60.0; 2.1) | 478 |",
        "no group shared by known and held-out pairs",
        "45.0 (35.0 to 54.0",
        "Not measured on the split `given`: no held-out file.",
        "moderate shared geometry",
        "about 30 of 100 queries find their partner among the first ten (20 to 40)",
        "calibration error on 956 held-out queries: 0.020",
        "`sha256:abc`",
        "CC BY 4.0",
        "minilm (Apache-2.0)",
        "minilm@1 x==2",
        "exact: all rows are compared; 3.0 MiB in memory",
        "SharedSpace.load(",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"metrics": changed(splits__group__retrieval__auto=method(20.0, 15.0))}, "R@10 is 20 %, not 50 %"),
        (
            {"metrics": changed(retrieval__auto=method(50.0, 1.0))},
            "From left to right its interval over 5 draws reaches down to chance",
        ),
        ({"metrics": changed(alignability__level="weak")}, "share little geometry (weak)"),
        ({"metrics": changed(confidence__heldout__calibration__ece=0.2)}, "confidence is off by 20 points"),
        ({"metrics": changed(confidence__heldout__calibration__rate=0.1)}, "First matches are mostly wrong: of the"),
        ({"metrics": changed(confidence={"absent": "9 known pairs are too few"})}, "Matches have no confidence: 9"),
        ({"hubs": {"left_to_right": {**EVEN, "share": 0.3}}}, "Hubs from left to right: 30 % of 1,000 queries"),
        ({"sides": {"left": {**SIDE, "quarantined": 7}}}, "7 rows of the left corpus could not be used"),
        (
            {"sides": {"left": {**SIDE, "index": {**INDEX, "kind": "cells", "recall": 0.98}}}},
            "misses 2.0 % of the true",
        ),
        ({"sides": {"left": {**SIDE, "encoders": [{**SIDE["encoders"][0], "missing": 4}]}}}, "4 entries of the left"),
    ],
)
def test_failures_are_named(more: dict[str, Any], told: str) -> None:
    named = card(**more)["known_failures"]
    assert any(told in sentence for sentence in named), named
    assert len(named) >= 2


def test_without_pairs_there_is_a_card_too() -> None:
    metrics = changed(alignability=None, confidence={"absent": "no known pairs"})
    text = card_markdown(card(metrics))
    assert "Not measured: no pairs." in text and "None: no known pairs." in text


def test_names_from_outside_cannot_break_the_page() -> None:
    nasty = {**SIDE, "licences": ["a | b\n# <script>"]}
    text = card_markdown(card(sides={"left": nasty}))
    assert "| licence of the corpus | a \\| b # &lt;script> |" in text


def test_hubs_against_counting() -> None:
    matches = np.array([5] * 60 + list(range(40)))
    found = hubs(matches, 200, seed=0)
    assert found.share == pytest.approx((61 + 1) / 100)  # 1 % of 200 rows are two
    assert found.queries == 100 and found.even < 0.1
    assert hubs(np.arange(200), 200, seed=0).share == pytest.approx(0.01)
