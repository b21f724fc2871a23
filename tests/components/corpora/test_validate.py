from __future__ import annotations

import pyarrow as pa
import pytest

from components.corpora.rows import RawRows
from components.corpora.validate import id_problem, row_problems


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "missing id"), (b"", "missing id"), (b" ", "missing id"), (b"\xff", "id is not UTF-8"), (b"0", None)],
)
def test_ids(value: bytes | None, reason: str | None) -> None:
    assert id_problem(value) == reason


def test_reading_comes_before_id_before_content() -> None:
    payload = pa.array([None, None, None, b"x"], pa.large_binary())
    rows = RawRows(
        source="t.csv",
        numbers=[1, 2, 3, 4],
        ids=[None, None, b"c", b"d"],
        payload=payload,
        problems=["not read", None, None, None],
    )
    assert row_problems(rows, "text") == ["not read", "missing id", "missing text", None]
