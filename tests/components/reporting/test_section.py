"""Sections and their page: what is written comes back, names are escaped, nothing is loaded from anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.files import Folder
from components.reporting.applications_page import render_applications
from components.reporting.figures_applications import bars
from components.reporting.section import Example, Section, Shown, percent

SHARE = {"mean": 0.5, "low": 0.4, "high": 0.6}


def section() -> Section:
    figure = bars(
        {"all": {"ours": SHARE}}, ours=["ours"], chance={"all": 0.1}, name="f", title="F", caption="what to see"
    )
    shown = Shown(title="<script>alert(1)</script>", hit=True)
    return Section(
        title="Something",
        finding="50 ± 3 % of it is found",
        figures=[figure],
        columns=("what", "found, %"),
        rows=[["ours", "50"]],
        examples=[Example(question="a − b", answers=[shown])],
    )


def test_a_section_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path).make()
    section().write(folder)
    back = Section.read(folder)
    assert back.figures == section().figures and back.examples == section().examples
    assert (back.title, back.rows, back.columns) == ("Something", [["ours", "50"]], ["what", "found, %"])
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"f.svg", "f.png", "f.csv"}


def test_the_page_escapes_names_and_tells_what_is_absent() -> None:
    sections = {"one": section(), "two": Section(title="Other", finding="no labels", absent=True)}
    page = render_applications("T", sections, tiles=[("7", "pairs")], recipe="name: x")
    assert "<script>" not in page and "&lt;script&gt;" in page and "item hit" in page
    assert "50\u00a0±\u00a03\u00a0% of it is found" in page  # a number stays on one line
    assert "Not measured here" in page and "no labels" in page and page.count("<table>") == 1
    assert page == render_applications("T", sections, tiles=[("7", "pairs")], recipe="name: x")


def test_bars_tell_their_numbers() -> None:
    figure = section().figures[0]
    assert figure.csv == "panel,row,mean,low,high,chance\nall,ours,0.5,0.4,0.6,0.1\n" and "ours 50 %" in figure.alt


@pytest.mark.parametrize(("high", "said"), [(0.6, "50.0 ± 10.0"), (0.4, "50.0")])
def test_a_share_has_its_half_width(high: float, said: str) -> None:
    assert percent({"mean": 0.5, "low": 0.4, "high": high}) == said
