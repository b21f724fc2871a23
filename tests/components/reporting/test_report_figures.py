"""Figures: their CSV holds what was drawn, absent data gives none, names with odd glyphs do no harm."""

from __future__ import annotations

import csv
import dataclasses
import io
import warnings
import xml.etree.ElementTree as ET

import pytest
from report_samples import NASTY, everything, minimum, rendered

from components.reporting import figures_retrieval, figures_space
from components.reporting.data import Curve, StepTime
from components.reporting.page import render
from components.reporting.style import Figure, csv_text, words


def rows(figure: Figure | None) -> list[dict[str, str]]:
    assert figure is not None
    return list(csv.DictReader(io.StringIO(figure.csv)))


def test_absent_data_gives_no_figure() -> None:
    assert render(minimum()).figures == {}


def test_all_figures_are_drawn_and_are_valid_xml() -> None:
    figures = rendered().figures
    assert set(figures) == {
        "gauge", "comparison", "recall-curves", "spectra", "correlations", "mmd", "map", "timings",
    }  # fmt: skip
    for figure in figures.values():
        assert ET.fromstring(figure.svg).tag.endswith("svg")
        assert figure.title and figure.caption and figure.alt and figure.csv.count("\n") > 1


def test_curves_keep_their_points() -> None:
    found = rows(figures_retrieval.recall_curves(everything()))
    assert [(r["method"], r["k"], r["recall_percent"], r["low"]) for r in found] == [
        ("kernel-ridge", "1", "6", "5"),
        ("kernel-ridge", "2", "8", "7"),
        ("chance", "1", "0.5", ""),
        ("chance", "2", "1", ""),
    ]


def test_comparison_has_every_split_and_control() -> None:
    found = rows(figures_retrieval.comparison(everything()))
    series = {r["series"] for r in found if r["method"] == "ridge-cca"}
    assert len(series) == 4
    assert {s for s in series if s.startswith("control")} == {"control: shuffled pairs", "control: random features"}


def test_spectrum_marks_the_gap_after_its_index() -> None:
    found = rows(figures_space.spectra(everything()))
    assert [(r["side"], r["index"]) for r in found if r["last_before_gap"] == "True"] == [("left", "2"), ("right", "2")]


def test_correlations_of_different_lengths() -> None:
    data = everything().correlations
    assert data is not None
    found = rows(figures_space.correlations(dataclasses.replace(data, heldout=[0.5])))
    assert [(r["known"], r["heldout"], r["known_null_low"]) for r in found] == [
        ("0.9", "0.5", "0.5"),
        ("0.8", "", "0.4"),
    ]


def test_map_names_its_mixing_score_and_every_row() -> None:
    figure = figures_space.shared_map(everything())
    assert figure is not None
    assert "mixing score" in figure.title
    assert len(rows(figure)) == 24


def test_symbols_without_glyphs_are_left_out_of_figures() -> None:
    assert words("grinning \U0001f600 face\u200d\ufe0f") == "grinning face"
    assert words("œuvre – 日本") == "œuvre – 日本"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert figures_space.step_times([StepTime(name="encode \U0001f600", seconds=1.0)]) is not None


def test_hostile_names_stay_text() -> None:
    figure = figures_space.step_times([StepTime(name=NASTY, seconds=1.0)])
    assert figure is not None
    assert b"<script" not in figure.svg
    assert b"alert" in figure.svg


def test_a_dollar_sign_is_no_formula() -> None:
    curve = Curve(method="a$b$c", direction="mean", k=[1, 2], recall=[1, 2])
    figure = figures_retrieval.recall_curves(dataclasses.replace(everything(), curves=[curve]))
    assert figure is not None
    assert b"a$b$c" in figure.svg


def test_csv_text_quotes_and_rounds() -> None:
    assert csv_text(["a", "b"], [("x,y", 1 / 3), (True, 7)]) == 'a,b\n"x,y",0.333333\nTrue,7\n'


@pytest.mark.parametrize("seconds", [[0.0], [0.0, 0.0]])
def test_steps_without_time(seconds: list[float]) -> None:
    figure = figures_space.step_times([StepTime(name=f"s{n}", seconds=s) for n, s in enumerate(seconds)])
    assert len(rows(figure)) == len(seconds)
