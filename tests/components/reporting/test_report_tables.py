"""The numbers in the tables are the numbers that came in."""

from __future__ import annotations

import csv
import dataclasses
import io

from report_samples import everything, minimum, score

from components.reporting.data import Side
from components.reporting.tables import Line, control_table, quarantine_rows, retrieval_table


def line(lines: list[Line], name: str) -> Line:
    return next(row for row in lines if row.name == name)


def test_cells_equal_the_input() -> None:
    data = everything()
    table = retrieval_table(data, "random")
    assert table.groups == [("mean of both", 5), ("picture → text", 5), ("text → picture", 5)]
    forth = line(table.lines, "Kernel ridge").cells[5:10]
    values = data.main["kernel-ridge"]["left_to_right"].values
    assert [c.text for c in forth] == [
        "6.2",
        "16.0",
        "28.0",
        f"{values['median_rank']:.1f}",
        f"{values['foscttm']:.3f}",
    ]
    assert (forth[2].spread, forth[2].interval) == ("±1.0", "95 % interval 27.0 to 29.0")
    assert forth[3].spread == ""


def test_csv_keeps_every_number() -> None:
    data = everything()
    rows = list(csv.DictReader(io.StringIO(retrieval_table(data, "random").csv)))
    found = {(r["method"], r["direction"], r["metric"]): float(r["value"]) for r in rows}
    for method, by_direction in data.main.items():
        for direction, one in by_direction.items():
            for metric, value in one.values.items():
                assert abs(found[method, direction, metric] - value) <= 1e-5 * abs(value)
    assert len(found) == 3 * 3 * 5


def test_best_of_a_column_is_marked_whatever_its_sense() -> None:
    table = retrieval_table(everything(), "random")
    assert [c.best for c in line(table.lines, "Kernel ridge").cells] == [True] * 15  # larger recall, lower ranks
    assert not any(c.best for name in ("Ridge CCA", "Chance") for c in line(table.lines, name).cells)


def test_equal_prints_are_equally_good_and_a_lone_method_is_not_best() -> None:
    tie = {"a": {"mean": score(5.0, 6.0, 7.01)}, "b": {"mean": score(5.0, 6.0, 7.04)}}
    data = dataclasses.replace(minimum(), exported="a", retrieval={"random": tie})
    assert all(row.cells[2].best for row in retrieval_table(data, "random").lines)
    assert not any(c.best for row in retrieval_table(minimum(), "random").lines for c in row.cells)


def test_chance_is_last_and_the_exported_method_is_marked() -> None:
    lines = retrieval_table(everything(), "random").lines
    assert [row.name for row in lines] == ["Kernel ridge", "Ridge CCA", "Chance"]
    assert [list(row.marks) for row in lines] == [["exported"], [], []]


def test_controls_stand_beside_the_true_pairs() -> None:
    table = control_table(everything(), "R@10")
    assert table.columns == ["true pairs", "shuffled pairs", "random features"]
    assert [c.text for c in line(table.lines, "Ridge CCA").cells] == ["28.0", "5.2", "5.2"]
    assert [c.text for c in line(table.lines, "Chance").cells] == ["5.0"] * 3


def test_a_missing_number_is_a_dash() -> None:
    scores = {"a": {"mean": score(1, 2, 3)}, "b": {"left_to_right": score(1, 2, 3)}}
    data = dataclasses.replace(minimum(), exported="a", retrieval={"random": scores})
    row = line(retrieval_table(data, "random").lines, "a")
    assert [c.text for c in row.cells[5:]] == ["–"] * 5


def test_quarantine_counts_are_sorted_within_a_side() -> None:
    left = Side(name="left", modality="image", reasons={"b": 1, "a": 1, "c": 7})
    right = Side(name="right", modality="embedding", reasons={"NaN": 2})
    rows = quarantine_rows(dataclasses.replace(minimum(), left=left, right=right))
    assert rows == [
        ("left (pictures)", "c", 7),
        ("left (pictures)", "a", 1),
        ("left (pictures)", "b", 1),
        ("right", "NaN", 2),
    ]
