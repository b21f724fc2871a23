"""From raw items to the rows that a side's transform takes: every view of every item, side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import UserError

Vector = Sequence[float]
Item = bytes | str | Vector | Mapping[str, str | Vector]


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """One block of a side's rows.

    Attributes:
        encoder: its name, or ``given`` for embeddings.
        column: that it was made from; empty if the side has only one.
        dim: width of the block; None in models of the first format, which have one view a side.
        fingerprint: what decided the encoder's vectors (see :func:`components.encoders.registry.fingerprint`); empty
            for given embeddings and for encoders that lie in the model's own folder.
    """

    encoder: str
    column: str = ""
    dim: int | None = None
    fingerprint: str = ""


def encode_views(
    views: Sequence[ModelView],
    items: Sequence[Item] | np.ndarray,
    *,
    modality: str,
    side: str,
    load: Callable[[str], Any],
) -> np.ndarray:
    """Rows [N, D1 + … + DV] of ``items``; a block of NaN where a mapping leaves a column out.

    Args:
        load: gives the encoder of a name.

    Raises:
        UserError: an item of another kind, or a mapping with unknown columns or none.
    """
    if modality == "embedding":
        return _vectors(views, items, side)
    columns = [view.column for view in views]
    expected = bytes if modality == "image" else str
    contents = [_contents(item, columns) for item in items]
    if not all(isinstance(c, expected) for content in contents for c in content if c is not None):
        raise UserError(f"the {side} side takes {modality}s", do=f"give {expected.__name__} items")
    blocks: dict[tuple[str, tuple[Any, ...]], np.ndarray] = {}  # the same texts in several columns are encoded once
    keys = [(view.encoder, tuple(content[n] for content in contents)) for n, view in enumerate(views)]
    for encoder, column in keys:
        if (encoder, column) not in blocks:
            blocks[encoder, column] = _encoded(load(encoder), column)
    return np.concatenate([blocks[key] for key in keys], axis=1)


def _contents(item: Any, columns: Sequence[str]) -> list[Any]:
    """The item's content for each view; None where it has none."""
    if not isinstance(item, Mapping):
        return [item] * len(columns)
    if not item or not set(item) <= set(columns):
        known = ", ".join(dict.fromkeys(filter(None, columns)))
        raise UserError(
            f"an item has the columns {', '.join(map(repr, item)) or 'none'}",
            do=f"give some of {known}" if known else "give a plain item",
        )
    return [item.get(column) for column in columns]


def _encoded(encoder: Any, contents: Sequence[Any]) -> np.ndarray:
    there = [c for c in contents if c is not None]
    rows = np.full((len(contents), encoder.dim), np.nan, np.float32)
    if there:
        rows[[c is not None for c in contents]] = encoder.encode(there)
    return rows


def _vectors(views: Sequence[ModelView], items: Any, side: str) -> np.ndarray:
    """Vectors of all columns side by side, or mappings of some columns to their vectors."""
    if not any(isinstance(item, Mapping) for item in items):
        return _whole([view.dim for view in views], items, side)
    columns = [view.column for view in views]
    return np.stack([np.concatenate(_blocks(views, _contents(item, columns))) for item in items])


def _whole(dims: Sequence[int | None], items: Any, side: str) -> np.ndarray:
    try:
        rows = np.atleast_2d(np.asarray(items, dtype=np.float32))
    except ValueError:
        raise UserError(f"the {side} side takes vectors, all of one length") from None
    known = [d for d in dims if d is not None]
    if len(known) == len(dims) and rows.shape[1:] != (sum(known),):
        raise UserError(f"a vector has {rows.shape[-1]} numbers; the {side} side takes {sum(known)}")
    return rows


def _blocks(views: Sequence[ModelView], contents: Sequence[Any]) -> list[np.ndarray]:
    blocks = [
        np.full(v.dim or 0, np.nan, np.float32) if c is None else np.asarray(c, np.float32)
        for v, c in zip(views, contents, strict=True)
    ]
    for view, block in zip(views, blocks, strict=True):
        if block.shape != (view.dim,):
            raise UserError(
                f"a vector of {view.column} has the shape {list(block.shape)}", do=f"give {view.dim} values"
            )
    return blocks


def item_of(text: str, modality: str, columns: Sequence[str]) -> str | Vector | Mapping[str, Any]:
    """An item as it is written in one line: a text, a JSON list of numbers, or a JSON object of ``columns`` with some.

    Raises:
        ValueError: a vector that is not of this form, or not of finite numbers.
    """
    if modality == "text":
        return _object_of(text, columns) or text
    value = json.loads(text)
    if isinstance(value, dict):
        return {str(name): _finite(vector) for name, vector in value.items()}
    return _finite(value)


def _finite(vector: Any) -> list[float]:
    """A NaN would pass for a value that is missing."""
    values = [float(v) for v in vector]
    if not all(map(math.isfinite, values)):
        raise ValueError("a value is NaN or infinite")
    return values


def _object_of(text: str, columns: Sequence[str]) -> dict[str, str] | None:
    """None for a text that only looks like an object of columns."""
    if not columns or not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    is_item = bool(value) and set(value) <= set(columns) and all(isinstance(v, str) for v in value.values())
    return value if is_item else None
