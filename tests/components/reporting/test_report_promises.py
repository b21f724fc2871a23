"""The section about what the exported model promises."""

from dataclasses import replace

import pytest
from report_samples import everything

from components.reporting.figures_confidence import reliability_diagram
from components.reporting.page import render
from components.reporting.promises import Promises, promise_table, read_promises


def entry(checked: int = 1800) -> dict:  # type: ignore[type-arg]
    now = {"value": 12.0, "low": 8.0, "high": 17.5}
    bins = [{"predicted": p, "observed": p + 0.01, "low": p / 2, "high": p + 0.1, "num": 96} for p in (0.01, 0.05, 0.2)]
    there = {**now, "measured": 13.25, "measured_ci95": [10.0, 16.0]}
    return {
        "gallery": {"left_to_right": 1800, "right_to_left": 1700},
        "judged": 100,
        "advice": "With 50 more known pairs, about 3.5 more of 100 queries would be found.",
        "curve_method": "kernel-ridge",
        "recall": {"sizes": [40, 80], **{f"R@{k}": {"now": now} for k in (10, 1, 5)}},
        "heldout": {
            "queries": 478,
            "gallery": [checked, 1700],
            "recall": {f"R@{k}": there for k in (1, 5, 10)},
            "calibration": {"bins": bins, "ece": 0.013, "brier": 0.02, "brier_base": 0.024},
        },
    }


def promises(checked: int = 1800) -> Promises:
    found = read_promises(entry(checked))
    assert found is not None
    return found


def test_table_has_the_estimate_beside_what_was_measured() -> None:
    table = promise_table(promises())
    assert [line.name for line in table.lines] == ["R@1", "R@5", "R@10"]
    assert [c.text for c in table.lines[2].cells] == ["12.0", "13.2"] and len(table.columns) == 2
    assert table.lines[0].cells[0].spread == " 8.0 to 17.5"


def test_a_part_of_the_gallery_has_an_estimate_of_its_own() -> None:
    assert promise_table(promises(900)).columns == ["estimate", "estimate there", "measured"]


def test_page_says_it_all_and_draws_the_diagram() -> None:
    report = render(replace(everything(), promises=promises(900)))
    for text in ("With 50 more known pairs", "1,800", "among 900 rows", "478 held-out pairs", "own partner"):
        assert text in report.html
    assert 'href="#promises"' in report.html
    assert report.figures["reliability"].csv.count("\n") == 4 and "promises" in report.tables


def test_too_few_pairs_are_said_to_be_too_few() -> None:
    report = render(replace(everything(), promises=read_promises({"absent": "9 known pairs are too few"})))
    assert "9 known pairs are too few." in report.html and "reliability" not in report.figures


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_there_nothing_shown(nothing: dict | None) -> None:  # type: ignore[type-arg]
    assert read_promises(nothing) is None and reliability_diagram(None) is None
    assert 'id="promises"' not in render(everything()).html
