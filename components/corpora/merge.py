"""Second pass: from the indexes of all units, which rows stay, in which shard, and what goes to quarantine.

Decided by ids and contents only, so that neither the order of rows nor the number of files changes the result.
Of rows with the same id and different contents the one with the smallest content hash stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.corpora.quarantine import CONFLICT, DUPLICATE, Quarantine, quarantine_of
from components.corpora.spool import ORDER, read_rows
from components.corpora.table import view_names
from components.errors import UserError
from components.files import Folder

SHARD_ROWS = {"image": 512, "text": 8_192, "embedding": 65_536}
SHARD_BYTES = 256 << 20
ANOTHER_LENGTH = "embedding has another length"
PAYLOAD_TYPES = {"image": pa.binary(), "text": pa.string()}


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a corpus consists of.

    Attributes:
        kept: ``unit, offset, num_bytes`` of the rows that stay, sorted by id hash.
        quarantine: all others.
        num_read: rows read, good or bad.
        lengths: of the embeddings of each view; empty for pictures and texts.
        missing: for each view, how many of the kept rows lack it.
    """

    kept: pa.Table
    quarantine: Quarantine
    num_read: int
    lengths: tuple[int, ...]
    missing: tuple[int, ...]

    def num_shards(self, modality: str) -> int:
        """Follows from rows and bytes alone, never from the workers."""
        num_bytes = sum(self.kept["num_bytes"].to_pylist())
        return max(1, -(-len(self.kept) // SHARD_ROWS[modality]), -(-num_bytes // SHARD_BYTES))

    def shards(self, num: int) -> list[pa.Table]:
        """``kept`` cut into ``num`` parts of nearly equal length."""
        edges = [round(k * len(self.kept) / num) for k in range(num + 1)]
        return [self.kept.slice(a, b - a) for a, b in pairwise(edges)]


def merge(work: Folder, modality: str, *, where: str) -> Merged:
    """Read the indexes and decide.

    Raises:
        UserError: no rows at all, or all of them with the same content.
    """
    index = _read_index(work)
    if index is None:
        raise UserError("the corpus is empty", where=where, do="give a source with at least one row")
    good = index.filter(pc.is_null(index["reason"]))
    good, odd, dims = _same_length(good) if modality == "embedding" else (good, good.slice(0, 0), ())
    first, repeated = _without_repeated_ids(good.sort_by(ORDER))
    if len(first) > 1 and len(first["content"].unique()) == 1:
        raise UserError(f"all {len(first)} rows have the same {modality}", where=where, do="check how it was made")
    bad = pa.concat_tables([index.filter(pc.is_valid(index["reason"])), odd, repeated])
    details = [
        f"{_shown(n)} values, the corpus has {_shown(dims)}" if r == ANOTHER_LENGTH else ""
        for n, r in zip(bad["lengths"].to_pylist(), bad["reason"].to_pylist(), strict=True)
    ]
    return Merged(
        kept=first.select(["unit", "offset", "num_bytes"]),
        quarantine=quarantine_of(bad["source"], bad["row"].to_pylist(), bad["reason"].to_pylist(), details),
        num_read=len(index),
        lengths=dims,
        missing=tuple((_lengths(first) == 0).sum(axis=0).tolist()),
    )


def write_shard(work: Folder, part: pa.Table, out: Folder, name: str, *, modality: str, lengths: Sequence[int]) -> None:
    """Gather the rows of one shard from the units and write them in their order.

    A missing view is a null, or for embeddings a row of NaN: nulls among lists of a fixed size cannot be read back.
    """
    units, offsets = part["unit"].to_numpy(), part["offset"].to_numpy()
    tables, places = [], []
    for unit in np.unique(units):
        here = np.flatnonzero(units == unit)
        tables.append(read_rows(work, str(unit), offsets[here]))
        places.append(here)
    rows = pa.concat_tables(tables).take(np.argsort(np.concatenate(places)))
    columns = {name: rows[name] for name in rows.column_names}
    views = view_names(rows.column_names, modality)
    if modality == "embedding":
        columns |= {v: _fixed_size(rows[v], length) for v, length in zip(views, lengths, strict=True)}
    else:
        columns |= {v: rows[v].cast(PAYLOAD_TYPES[modality]) for v in views}
    # one chunk a column: the bytes of the file must not depend on how many units the rows came from
    out.write_table(name, pa.table(columns).combine_chunks())


def _fixed_size(column: pa.ChunkedArray, length: int) -> pa.ChunkedArray | pa.FixedSizeListArray:
    kind = pa.list_(pa.float32(), length)
    if not column.null_count:
        return column.cast(kind)
    vectors = np.full((len(column), length), np.nan, np.float32)
    values = pc.list_flatten(column.drop_null()).to_numpy()
    vectors[column.is_valid().to_numpy()] = values.reshape(-1, length)
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=kind)


def _read_index(work: Folder) -> pa.Table | None:
    """The lines of all units; ``unit`` is the file's name. None if there are no rows."""
    tables = []
    for name in work.parquet_names("index"):
        table = work.read_table(name)
        unit = pa.array([name.removeprefix("index/")] * len(table)).dictionary_encode()
        tables.append(table.append_column("unit", unit.cast(pa.dictionary(pa.int32(), pa.string()))))
    return pa.concat_tables(tables).unify_dictionaries() if any(map(len, tables)) else None


def _same_length(good: pa.Table) -> tuple[pa.Table, pa.Table, tuple[int, ...]]:
    """Rows with the commonest length in each of their views, and the others with their reason."""
    if not len(good):
        return good, good, ()
    lengths = _lengths(good)
    usual = np.array([_commonest(view[view > 0]) for view in lengths.T])
    fits = ((lengths == usual) | (lengths == 0)).all(axis=1)
    odd = good.filter(pa.array(~fits))
    return good.filter(pa.array(fits)), _with_reason(odd, [ANOTHER_LENGTH] * len(odd)), tuple(usual.tolist())


def _commonest(lengths: np.ndarray) -> int:
    """The shorter one of a tie; 1 if there is none, for a view that no row has."""
    values, counts = np.unique(lengths, return_counts=True)
    return int(values[np.argmax(counts)]) if len(values) else 1


def _lengths(rows: pa.Table) -> np.ndarray:
    """Length of each view of each row, 0 for a missing one. int64 [N, V]"""
    flat = pc.list_flatten(rows["lengths"]).to_numpy()
    return flat.reshape(len(rows), -1) if len(rows) else flat.reshape(0, 1)


def _shown(lengths: Sequence[int]) -> str:
    return " and ".join(map(str, lengths))


def _without_repeated_ids(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The first row of each id, and the others with their reason. ``rows`` must be in ``ORDER``."""
    ids = rows["id"].combine_chunks()
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = pc.not_equal(ids.slice(1), ids.slice(0, max(len(ids) - 1, 0))).to_numpy(zero_copy_only=False)
    first_of = pa.array(np.maximum.accumulate(np.where(is_first, np.arange(len(rows)), 0)))
    same = pc.and_(*(pc.equal(rows[c], rows[c].take(first_of)) for c in ("content", "extra")))
    repeated = rows.filter(pa.array(~is_first))
    reasons = [DUPLICATE if s else CONFLICT for s in same.filter(pa.array(~is_first)).to_pylist()]
    return rows.filter(pa.array(is_first)), _with_reason(repeated, reasons)


def _with_reason(rows: pa.Table, reasons: list[str]) -> pa.Table:
    place = rows.column_names.index("reason")
    return rows.set_column(place, "reason", pa.array(reasons, pa.string()))
