"""Second pass: from the indexes of all units, which rows stay, in which shard, and what goes to quarantine.

Decided by ids and contents only, so that neither the order of rows nor the number of files changes the result.
Of rows with the same id and different contents the one with the smallest content hash stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.corpora.quarantine import CONFLICT, DUPLICATE, Quarantine, quarantine_of
from components.corpora.spool import ORDER, read_rows
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
        dim: length of the embeddings, else None.
    """

    kept: pa.Table
    quarantine: Quarantine
    num_read: int
    dim: int | None

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
    good, odd, dim = _same_length(good) if modality == "embedding" else (good, good.slice(0, 0), None)
    first, repeated = _without_repeated_ids(good.sort_by(ORDER))
    if len(first) > 1 and len(first["content"].unique()) == 1:
        raise UserError(f"all {len(first)} rows have the same {modality}", where=where, do="check how it was made")
    bad = pa.concat_tables([index.filter(pc.is_valid(index["reason"])), odd, repeated])
    details = [
        f"{d} values, the corpus has {dim}" if r == ANOTHER_LENGTH else ""
        for d, r in zip(bad["dim"].to_pylist(), bad["reason"].to_pylist(), strict=True)
    ]
    return Merged(
        kept=first.select(["unit", "offset", "num_bytes"]),
        quarantine=quarantine_of(bad["source"], bad["row"].to_pylist(), bad["reason"].to_pylist(), details),
        num_read=len(index),
        dim=dim,
    )


def write_shard(work: Folder, part: pa.Table, out: Folder, name: str, *, modality: str, dim: int | None) -> None:
    """Gather the rows of one shard from the units and write them in their order."""
    units, offsets = part["unit"].to_numpy(), part["offset"].to_numpy()
    tables, places = [], []
    for unit in np.unique(units):
        here = np.flatnonzero(units == unit)
        tables.append(read_rows(work, str(unit), offsets[here]))
        places.append(here)
    rows = pa.concat_tables(tables).take(np.argsort(np.concatenate(places)))
    kind = pa.list_(pa.float32(), dim) if modality == "embedding" else PAYLOAD_TYPES[modality]
    extras = {e: rows[e] for e in rows.column_names if e not in ("id", "payload")}
    # one chunk a column: the bytes of the file must not depend on how many units the rows came from
    out.write_table(name, pa.table({"id": rows["id"], modality: rows["payload"].cast(kind), **extras}).combine_chunks())


def _read_index(work: Folder) -> pa.Table | None:
    """The lines of all units; ``unit`` is the file's name. None if there are no rows."""
    tables = []
    for name in work.parquet_names("index"):
        table = work.read_table(name)
        unit = pa.array([name.removeprefix("index/")] * len(table)).dictionary_encode()
        tables.append(table.append_column("unit", unit.cast(pa.dictionary(pa.int32(), pa.string()))))
    return pa.concat_tables(tables).unify_dictionaries() if any(map(len, tables)) else None


def _same_length(good: pa.Table) -> tuple[pa.Table, pa.Table, int | None]:
    """Rows of the commonest length (the shorter one of a tie), and the others with their reason."""
    if not len(good):
        return good, good, None
    dims = good["dim"].to_numpy()
    values, counts = np.unique(dims, return_counts=True)
    dim = int(values[np.argmax(counts)])
    odd = good.filter(pa.array(dims != dim))
    return good.filter(pa.array(dims == dim)), _with_reason(odd, [ANOTHER_LENGTH] * len(odd)), dim


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
