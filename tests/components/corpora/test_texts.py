from __future__ import annotations

import pytest

from components.corpora.texts import text_problem


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "missing text"),
        (b"", "empty text"),
        (" \t\n\u3000".encode(), "empty text"),
        (b"caf\xe9", "text is not UTF-8"),
        ("\ud800".encode("utf-8", "surrogatepass"), "text is not UTF-8"),
        (b"x" * 1_000_000, "text longer than 100 kB"),
        (b"x" * 100_000, None),
        ("Brücke 🌉".encode(), None),
    ],
)
def test_reasons(data: bytes | None, reason: str | None) -> None:
    assert text_problem(data) == reason
