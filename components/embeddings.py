"""Embeddings: rows of a modality's vectors, always joined by id, never by position."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from components.errors import UserError
from components.files import Folder

BLOCKS = b"isthmus.blocks"


@dataclass(frozen=True)
class Embeddings:
    """``vectors`` [N, D] float32 and their ``ids`` [N]; ids are unique.

    Several views of an item (encoders, texts) lie side by side; ``blocks`` are their widths, empty for one view. A view
    that an item lacks is a block of NaN.
    """

    ids: list[str]
    vectors: np.ndarray
    blocks: tuple[int, ...] = ()
    index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.ids) != len(self.vectors):
            raise ValueError(f"{len(self.ids)} ids for vectors of shape {self.vectors.shape}")
        if self.blocks and sum(self.blocks) != self.dim:
            raise ValueError(f"blocks {self.blocks} for vectors of shape {self.vectors.shape}")
        object.__setattr__(self, "index", {i: n for n, i in enumerate(self.ids)})

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Vectors of these ids, in their order. [len(ids), D]. Raises UserError for an unknown id."""
        missing = [i for i in ids if i not in self.index]
        if missing:
            raise UserError(
                f"{len(missing)} ids have no embedding, e.g. {missing[0]!r}", do="check the ids of the pairs"
            )
        return self.vectors[[self.index[i] for i in ids]]

    def take(self, ids: Sequence[str]) -> Embeddings:
        return Embeddings(list(ids), self.rows(ids), self.blocks)

    def to_table(self) -> pa.Table:
        """Table ``id: string, embedding: fixed_size_list<float32>[D]``, sorted by id."""
        order = np.argsort(np.array(self.ids, dtype=object), kind="stable")
        flat = np.ascontiguousarray(self.vectors[order], dtype=np.float32).reshape(-1)
        column = pa.FixedSizeListArray.from_arrays(pa.array(flat), self.dim)
        table = pa.table({"id": pa.array([self.ids[i] for i in order], pa.string()), "embedding": column})
        return with_blocks(table, self.blocks)

    @classmethod
    def from_table(cls, table: pa.Table) -> Embeddings:
        blocks = (table.schema.metadata or {}).get(BLOCKS, b"[]")
        return cls(table["id"].to_pylist(), vectors_of(table["embedding"]), tuple(json.loads(blocks)))

    @classmethod
    def read(cls, folder: Folder, name: str = "embeddings") -> Embeddings:
        """All Parquet shards of ``name`` (a sub-folder or a ``.parquet`` file), sorted by id."""
        table = folder.read_table(name, ["id", "embedding"])
        return cls.from_table(table.sort_by("id"))

    def write(self, folder: Folder, name: str = "embeddings/part-00000.parquet") -> None:
        folder.write_table(name, self.to_table())


def with_blocks(table: pa.Table, blocks: Sequence[int]) -> pa.Table:
    """The table with its blocks noted in its schema, from where :meth:`Embeddings.read` has them."""
    return table.replace_schema_metadata({BLOCKS: json.dumps(list(blocks))}) if blocks else table


def vectors_of(column: pa.ChunkedArray) -> np.ndarray:
    """A fixed-size-list column as a float32 array [N, D]."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # zero chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type=column.type)
    dim = array.type.list_size
    return array.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, dim)
