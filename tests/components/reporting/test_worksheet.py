"""The list to fill in can be filled in and read back as pairs."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from components.corpora.pairs import Known, known_pairs
from components.reporting.data import Item
from components.reporting.suggest_page import Wanted
from components.reporting.worksheet import TEXT_LENGTH, worksheet


def wanted(row: str, side: str = "left", title: str = "", text: str | None = None) -> Wanted:
    return Wanted(item=Item(id=row, title=title, text=text), side=side, gain=1.0, coverage=0.5)


def test_the_partners_cell_is_empty_and_ids_are_as_they_were() -> None:
    rows = list(csv.reader(io.StringIO(worksheet([wanted("007"), wanted('a,"b', "right", "Äpfel")]).decode("utf-8"))))
    assert rows == [["left_id", "right_id", "title", "text"], ["007", "", "", ""], ["", 'a,"b', "Äpfel", ""]]


def test_what_people_read_is_one_short_line_and_no_formula() -> None:
    long = wanted("x", title='=HYPERLINK("http://a")', text="a\nb " + "c" * 1000)
    row = list(csv.reader(io.StringIO(worksheet([long]).decode())))[1]
    assert row[2] == '\'=HYPERLINK("http://a")'
    assert row[3].startswith("a b ccc") and len(row[3]) == TEXT_LENGTH


def test_a_list_that_is_filled_in_partly_is_a_pairs_file(tmp_path: Path) -> None:
    text = worksheet([wanted("l1", text="one, two"), wanted("r2", "right"), wanted("l3")]).decode()
    lines = text.splitlines()
    assert lines[1].startswith("l1,,") and lines[2].startswith(",r2,")
    filled = [lines[0], lines[1].replace("l1,,", "l1,r1,"), lines[2].replace(",r2,", "l2,r2,"), lines[3]]
    (tmp_path / "pairs.csv").write_text("\n".join(filled))
    sides = Known(ids=["l1", "l2", "l3"]), Known(ids=["r1", "r2"])
    found = known_pairs(str(tmp_path / "pairs.csv"), *sides)
    assert found.pairs == [("l1", "r1"), ("l2", "r2")] and "1 row is left out" in found.warnings[0]
