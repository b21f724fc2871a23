"""The sentence at the top says what the numbers say, and says so when they say nothing."""

from __future__ import annotations

import dataclasses

from report_samples import both_ways, chance, everything, minimum, score

from components.reporting.data import ReportData, Score, Side
from components.reporting.headline import beats_chance, findings, headline


def with_scores(**by_method: dict[str, Score]) -> ReportData:
    named = {name.replace("_", "-"): scores for name, scores in by_method.items()}
    at_chance = dict.fromkeys(("left_to_right", "right_to_left", "mean"), chance())
    return dataclasses.replace(minimum(), retrieval={"random": {**named, "chance": at_chance}})


def test_headline_in_full() -> None:
    assert headline(everything()) == (
        "With 100 known pairs, 28 of 100 pictures find their text among the first 10 of 200 (chance: 5)."
    )


def test_at_chance_the_headline_says_so() -> None:
    data = with_scores(ridge_cca=both_ways(0.6, 2.6, 4.0, half=3.0))  # interval of the mean: 3 to 9, chance 5
    assert not beats_chance(data)
    assert headline(data).startswith("With 100 known pairs, nothing better than chance was found: 4 of 100 pictures")


def test_one_modality_on_both_sides_and_one_pair() -> None:
    sides = {"left": Side(name="left", modality="text"), "right": Side(name="right", modality="text")}
    data = dataclasses.replace(minimum(), num_pairs=1, **sides)
    assert headline(data) == "With 1 known pair, 26 of 100 left texts find their right text among the first 10 of 200."


def test_small_galleries_use_the_largest_k_there_is() -> None:
    only = Score(values={"R@1": 20.0, "R@5": 80.0}, gallery=8)
    data = dataclasses.replace(minimum(), retrieval={"random": {"ridge-cca": {"left_to_right": only}}})
    assert "80 of 100 pictures find their text among the first 5 of 8." in headline(data)


def test_findings_name_the_way_back_the_sober_split_and_the_best() -> None:
    said = " ".join(findings(everything()))
    assert "The other way round, 32 of 100 texts find their picture." in said
    assert "Where no group is shared with the known pairs it is 30 of 100" in said
    assert "Kernel ridge, is the best of 2 by R@10" in said
    assert "fall to chance" in said


def test_a_better_method_than_the_exported_one_is_named() -> None:
    said = " ".join(findings(dataclasses.replace(everything(), exported="ridge-cca")))
    assert "The exported method is Ridge CCA (28.0 % R@10, mean of both directions)" in said
    assert "the best of 2 is Kernel ridge (30.0 %)" in said


def test_an_exported_method_that_no_other_beats_in_print_is_the_best() -> None:
    data = with_scores(ridge_cca=both_ways(5.0, 15.0, 26.0), zebra=both_ways(5.0, 15.0, 26.04))
    assert "The exported method, Ridge CCA, is the best of 2 by R@10." in findings(data)


def test_controls_above_chance_are_named() -> None:
    leaking = {"shuffled-pairs": {"ridge-cca": {"mean": score(5, 10, 20)}, "kernel-ridge": {"mean": score(0, 2, 5)}}}
    said = " ".join(findings(dataclasses.replace(everything(), controls=leaking)))
    assert "1 of 2 controls lie above chance" in said
    assert "Ridge CCA with shuffled pairs" in said
    assert "fall to chance" not in said
