"""Rows as they come out of a source, before any of them is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class RawRows:
    """Some rows of one file.

    Attributes:
        source: the file's name relative to the root of its source. One for all rows, or one a row.
        numbers: row numbers in their file, from 1; 0 where the file is the row.
        ids: UTF-8 bytes, or None.
        payload: ``large_binary`` (encoded picture, text) or ``large_list<float>`` (embedding), null if missing. [N]
        further: more views of the same items, each like ``payload``.
        extras: optional columns.
        problems: what is wrong already at reading, or None.
        details: a few words more about each problem.
    """

    source: str | Sequence[str]
    numbers: Sequence[int]
    ids: Sequence[bytes | None]
    payload: pa.Array
    further: Sequence[pa.Array] = ()
    extras: dict[str, Sequence[str | None]] = field(default_factory=dict)
    problems: Sequence[str | None] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def views(self) -> list[pa.Array]:
        return [self.payload, *self.further]

    @property
    def sources(self) -> Sequence[str]:
        return [self.source] * len(self) if isinstance(self.source, str) else self.source
