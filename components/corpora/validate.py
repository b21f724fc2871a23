"""Every row judged by itself: a reason to leave it out, or None. Rows are never mended in silence."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from components.corpora import texts, vectors
from components.corpora.images import image_problem
from components.corpora.rows import RawRows

MISSING = (*texts.MISSING, *vectors.MISSING)
"""The view is not there, which is something else than a view that is damaged."""


def row_problems(rows: RawRows, modality: str) -> list[str | None]:
    """Why each row cannot be used: what reading found, else its id, else its content.

    Of several views some may be missing, but not all; one that is there and cannot be used spoils the row.
    """
    content = list(map(_of_views, zip(*(content_problems(v, modality) for v in rows.views), strict=True)))
    earlier = rows.problems or [None] * len(rows)
    return [e or id_problem(i) or c for e, i, c in zip(earlier, rows.ids, content, strict=True)]


def _of_views(problems: Sequence[str | None]) -> str | None:
    spoilt = next((p for p in problems if p and p not in MISSING), None)
    return spoilt or (problems[0] if all(problems) else None)


def content_problems(payload: pa.Array, modality: str) -> list[str | None]:
    """Why each content cannot be used. ``payload``: encoded pictures, texts (bytes) or lists of floats. [N]"""
    if modality == "embedding":
        return vectors.vector_problems(payload)
    problem = image_problem if modality == "image" else texts.text_problem
    return [problem(value) for value in payload.to_pylist()]


def id_problem(value: bytes | None) -> str | None:
    """An id is any text that is not blank."""
    try:
        return None if value and value.decode("utf-8").strip() else "missing id"
    except UnicodeDecodeError:
        return "id is not UTF-8"
