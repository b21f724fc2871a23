"""Every row judged by itself: a reason to leave it out, or None. Rows are never mended in silence."""

from __future__ import annotations

import pyarrow as pa

from components.corpora.images import image_problem
from components.corpora.rows import RawRows
from components.corpora.texts import text_problem
from components.corpora.vectors import vector_problems


def row_problems(rows: RawRows, modality: str) -> list[str | None]:
    """Why each row cannot be used: what reading found, else its id, else its content."""
    content = content_problems(rows.payload, modality)
    earlier = rows.problems or [None] * len(rows)
    return [e or id_problem(i) or c for e, i, c in zip(earlier, rows.ids, content, strict=True)]


def content_problems(payload: pa.Array, modality: str) -> list[str | None]:
    """Why each content cannot be used. ``payload``: encoded pictures, texts (bytes) or lists of floats. [N]"""
    if modality == "embedding":
        return vector_problems(payload)
    problem = image_problem if modality == "image" else text_problem
    return [problem(value) for value in payload.to_pylist()]


def id_problem(value: bytes | None) -> str | None:
    """An id is any text that is not blank."""
    try:
        return None if value and value.decode("utf-8").strip() else "missing id"
    except UnicodeDecodeError:
        return "id is not UTF-8"
