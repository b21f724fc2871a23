"""What makes a text unusable."""

from __future__ import annotations

MISSING = ("missing text", "empty text")
MAX_BYTES = 100_000
"""Longer texts are no captions: they are quarantined rather than cut."""


def text_problem(data: bytes | None) -> str | None:
    """Why this text cannot be used, or None."""
    if data is None:
        return "missing text"
    if len(data) > MAX_BYTES:
        return f"text longer than {MAX_BYTES // 1000} kB"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "text is not UTF-8"
    return None if text.strip() else "empty text"
