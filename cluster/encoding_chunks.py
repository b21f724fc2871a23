"""A chunk: consecutive rows of one shard, the unit in which a corpus is encoded. Free of Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from components.encoders.protocol import Encoder
from components.files import Folder


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Rows ``start`` to ``stop`` (exclusive) of the shard file ``name``."""

    name: str
    start: int
    stop: int


def cut(sizes: Mapping[str, int], rows: int) -> list[Chunk]:
    """Chunks of at most ``rows`` rows; ``sizes`` is the number of rows of each shard file."""
    return [
        Chunk(name=name, start=start, stop=min(start + rows, size))
        for name, size in sizes.items()
        for start in range(0, size, rows)
    ]


class ChunkEncoder:
    """Reads a chunk's rows and encodes them; keeps the last shard, since chunks of one shard come together."""

    def __init__(self, source: Folder, column: str, encoder: Encoder) -> None:
        self._source, self._column, self._encoder = source, column, encoder
        self._name, self._table = "", pa.table({})

    def __call__(self, chunk: Chunk) -> pa.Table:
        """Table ``shard, row, id, embedding, error`` of the chunk; one row with an error if a row cannot be encoded.

        A row whose column is null gets NaN: it lacks this view.

        Errors travel as data: Ray Data would repeat the task and bury the message in its own.
        """
        if chunk.name != self._name:
            self._name, self._table = chunk.name, self._source.read_table(chunk.name, ["id", self._column])
        rows = self._table.slice(chunk.start, chunk.stop - chunk.start)
        ids, items = rows["id"].to_pylist(), rows[self._column].to_pylist()
        try:
            vectors = self._encode(items)
        except Exception:
            found = self._culprit(ids, items)
            if found is None:  # no row's fault
                raise
            return _error(chunk, *found)
        return _encoded(chunk, ids, np.ascontiguousarray(vectors, dtype=np.float32))

    def _encode(self, items: Sequence[Any]) -> np.ndarray:
        there = [item for item in items if item is not None]
        if len(there) == len(items):
            return self._encoder.encode(items)
        vectors = np.full((len(items), self._encoder.dim), np.nan, np.float32)
        if there:
            vectors[[item is not None for item in items]] = self._encoder.encode(there)
        return vectors

    def _culprit(self, ids: Sequence[str], items: Sequence[Any]) -> tuple[str, str] | None:
        """The first row that fails on its own: its id, and why."""
        for row_id, item in zip(ids, items, strict=True):
            try:
                self._encode([item])
            except Exception as error:
                return row_id, str(error)
        return None


def vector_column(vectors: np.ndarray) -> pa.FixedSizeListArray:
    """[B, D] float32 as a column ``fixed_size_list<float32>[D]``."""
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


def _encoded(chunk: Chunk, ids: list[str], vectors: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "shard": pa.array([chunk.name] * len(ids), pa.string()),
            "row": pa.array(np.arange(chunk.start, chunk.stop), pa.int64()),
            "id": pa.array(ids, pa.string()),
            "embedding": vector_column(vectors),
            "error": pa.nulls(len(ids), pa.string()),
        }
    )


def _error(chunk: Chunk, row_id: str, reason: str) -> pa.Table:
    columns: dict[str, Any] = {"shard": [chunk.name], "row": [chunk.start], "id": [row_id], "error": [reason]}
    return pa.table(columns | {"embedding": pa.nulls(1, pa.list_(pa.float32(), 1))})
