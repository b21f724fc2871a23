"""Bad rows are counted by reason; repetitions of a row are none; too many of them stop the run with examples."""

from __future__ import annotations

import pyarrow as pa
import pytest

from components.corpora.quarantine import CONFLICT, DUPLICATE, Quarantine, quarantine_of
from components.errors import UserError

ROWS = [
    ("b.csv", "#7", "empty text"),
    ("a.csv", "x", DUPLICATE),
    ("a.csv", "y", CONFLICT),
    ("a.csv", "w", "empty text"),
]


def made(rows: list[tuple[str, str, str]]) -> Quarantine:
    sources = pa.chunked_array([[s for s, _, _ in rows]], pa.string())
    return quarantine_of(sources, [r for _, r, _ in rows], [r for _, _, r in rows], [""] * len(rows))


def test_rows_are_sorted_and_counted() -> None:
    found = made(ROWS)
    assert found.table.equals(made(ROWS[::-1]).table)
    assert list(found.reasons.items()) == [("empty text", 2), (DUPLICATE, 1), (CONFLICT, 1)]
    assert (found.num_bad, found.num_duplicates) == (3, 2)
    assert (made([]).reasons, made([]).num_bad) == ({}, 0)


def test_up_to_the_fraction_all_is_well_and_above_it_is_told() -> None:
    found = made(ROWS)
    found.check(30, 0.1, where="here", kept_at="q.parquet")
    made([]).check(0, 0.0, where="here", kept_at="q.parquet")
    with pytest.raises(UserError) as refused:
        found.check(29, 0.1, where="here", kept_at="q.parquet")
    told = str(refused.value)
    assert "here: 3 of 29 rows are bad (10.3%, max_bad_fraction is 10.0%)" in told
    assert "2 × empty text (e.g. row w of a.csv), 1 × duplicate id with other content (e.g. row y of a.csv)" in told
    assert "listed in q.parquet" in told
