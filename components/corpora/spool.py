"""First pass over a corpus: each piece is read, judged and written, sorted by id hash, into a work folder.

A piece becomes units of bounded size. A unit is two files: ``spool/…`` with the good rows, and ``index/…`` with one
line about every row, good or bad, but without its content. What follows (:mod:`components.corpora.merge`) needs only
the indexes in memory, never the contents. A crash costs the pieces that were not finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.corpora.hashing import id_hashes
from components.corpora.reading import Piece, read_piece
from components.corpora.rows import RawRows
from components.corpora.sources import Source
from components.corpora.validate import MISSING, content_problems, row_problems
from components.corpora.vectors import lengths
from components.files import Folder

UNIT_ROWS = 65_536
UNIT_BYTES = 64 << 20
GROUP_BYTES = 4 << 20
ORDER = [(name, "ascending") for name in ("hash", "id", "content", "extra", "source", "row")]
INDEX = pa.schema(
    [
        ("hash", pa.uint64()),
        ("id", pa.string()),
        ("content", pa.binary()),  # digests that tell equal rows from different ones
        ("extra", pa.binary()),
        ("num_bytes", pa.int64()),
        ("lengths", pa.list_(pa.int64())),  # of each view: bytes, or values of an embedding; 0 if it is missing
        ("source", pa.string()),
        ("row", pa.string()),
        ("reason", pa.string()),
    ]
)


def spool_piece(source: Source, piece: Piece, number: int, work: Folder) -> int:
    """Read one piece into its units, unless an earlier attempt has done so. Returns the number of rows, good or bad.

    Raises:
        UserError: see :func:`components.corpora.reading.read_piece`.
    """
    done = f"done/{number:06d}.json"
    if work.exists(done):
        return int(work.read_json(done)["rows"])
    total = units = 0
    pending = _Unit()
    for rows in read_piece(source, piece):
        pending.add(rows, source)
        total += len(rows)
        if pending.is_full:
            pending.write(work, f"{number:06d}-{units:04d}.parquet")
            pending, units = _Unit(), units + 1
    if pending.index:
        pending.write(work, f"{number:06d}-{units:04d}.parquet")
    work.write_json(done, {"rows": total})
    return total


def read_rows(work: Folder, unit: str, offsets: np.ndarray) -> pa.Table:
    """Good rows of a unit by their places in it, ascending. Reads only the row groups that hold them."""
    path = f"{work.path}/spool/{unit}"
    with pq.ParquetFile(path, filesystem=work.fs) as file:
        size = file.metadata.row_group(0).num_rows
        groups = np.unique(offsets // size)
        table = file.read_row_groups(groups.tolist())
    return table.take(np.searchsorted(groups, offsets // size) * size + offsets % size)


@dataclass
class _Unit:
    """Rows of a piece that are in memory now."""

    index: list[pa.Table] = field(default_factory=list)
    data: list[pa.Table] = field(default_factory=list)
    num_bytes: int = 0
    num_rows: int = 0

    @property
    def is_full(self) -> bool:
        return self.num_bytes >= UNIT_BYTES or self.num_rows >= UNIT_ROWS

    def add(self, rows: RawRows, source: Source) -> None:
        if rows.further:
            rows = _without_blank_views(rows, source.modality)
        self.index.append(_index(rows, source.modality))
        extras = {e: pa.array(rows.extras[e], pa.string()) for e in source.extras}
        names = [source.modality, *source.views[1:]]  # a path column has become pictures
        self.data.append(pa.table({**dict(zip(names, rows.views, strict=True)), **extras}))
        self.num_bytes += sum(view.nbytes for view in rows.views)
        self.num_rows += len(rows)

    def write(self, work: Folder, name: str) -> None:
        index = pa.concat_tables(self.index)
        index = index.append_column("place", pa.array(np.arange(len(index)), pa.int64()))
        bad = index.filter(pc.is_valid(index["reason"]))
        good = index.filter(pc.is_null(index["reason"])).sort_by(ORDER)
        if len(good):
            data = pa.concat_tables(self.data).take(good["place"]).add_column(0, "id", good["id"])
            per_row = max(1, sum(good["num_bytes"].to_pylist()) // len(good))
            path = f"{work.sub('spool').make().path}/{name}"
            size = min(max(GROUP_BYTES // per_row, 16), 16_384)
            pq.write_table(data.combine_chunks(), path, filesystem=work.fs, row_group_size=size)
        offsets = pa.array([*range(len(good)), *([-1] * len(bad))], pa.int64())
        work.write_table(f"index/{name}", pa.concat_tables([good, bad]).drop("place").append_column("offset", offsets))


def _index(rows: RawRows, modality: str) -> pa.Table:
    problems = row_problems(rows, modality)
    ids = [i.decode("utf-8", "replace") if i else None for i in rows.ids]
    contents = list(zip(*(_contents(view, modality) for view in rows.views), strict=True))
    num_bytes = [[len(view) for view in views] for views in contents]
    columns = [
        id_hashes(i or "" for i in ids),
        ids,
        list(map(_content_digest, contents)),
        _extra_digests(rows),
        list(map(sum, num_bytes)),
        list(np.stack(list(map(lengths, rows.views)), axis=1)) if modality == "embedding" else num_bytes,
        rows.sources,
        [i or f"#{n}" for i, n in zip(ids, rows.numbers, strict=True)],
        problems,
    ]
    return pa.table([pa.array(c, kind) for c, kind in zip(columns, INDEX.types, strict=True)], schema=INDEX)


def _without_blank_views(rows: RawRows, modality: str) -> RawRows:
    """Views that hold nothing, such as an empty text, become null."""
    blank = (pa.array([p in MISSING for p in content_problems(view, modality)]) for view in rows.views)
    first, *further = (
        pc.if_else(b, pa.scalar(None, view.type), view) for b, view in zip(blank, rows.views, strict=True)
    )
    return replace(rows, payload=first, further=further)


def _content_digest(views: Sequence[bytes]) -> bytes:
    content = views[0] if len(views) == 1 else b"".join(hashlib.sha256(view).digest() for view in views)
    return hashlib.sha256(content).digest()[:16]


def _contents(payload: pa.Array, modality: str) -> Iterator[bytes]:
    """The bytes of each row; nothing for a missing one."""
    if modality != "embedding":
        yield from (value or b"" for value in payload.to_pylist())
        return
    values = payload.flatten().to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths(payload))
    yield from (values[a:b].tobytes() for a, b in zip([0, *ends[:-1]], ends, strict=True))


def _extra_digests(rows: RawRows) -> list[bytes]:
    if not rows.extras:
        return [b""] * len(rows)
    names = sorted(rows.extras)
    columns = (rows.extras[name] for name in names)
    return [hashlib.sha256(json.dumps(values).encode()).digest()[:16] for values in zip(*columns, strict=True)]
