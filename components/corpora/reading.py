"""Reading a source piece by piece. A piece is what one task reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

from components.corpora.emoji import Emoji, emoji_corpus, emoji_texts
from components.corpora.forms import read_table
from components.corpora.listing import FileEntry, Listing
from components.corpora.parquet_rows import open_parquet
from components.corpora.paths import referenced
from components.corpora.rows import RawRows
from components.corpora.sources import Source
from components.corpora.table import Table

PIECE_BYTES = 64 << 20
PIECE_FILES = 512
SPLIT_ABOVE_BYTES = 128 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """Some files of a source, or some row groups of one Parquet file, or some items of a built-in corpus."""

    files: tuple[str, ...] = ()
    groups: range | None = None
    items: range | None = None


def pieces_of(source: Source) -> list[Piece]:
    """Cut a source for parallel reading. The result of a run does not depend on where the cuts are."""
    if source.form == "builtin":
        num = len(emoji_corpus(source.builtin[1]))
        return [Piece(items=range(n, min(n + PIECE_FILES, num))) for n in range(0, num, PIECE_FILES)]
    pieces: list[Piece] = []
    small: list[FileEntry] = []
    for file in source.files.files:
        if source.form == "parquet" and file.num_bytes > SPLIT_ABOVE_BYTES:
            pieces += _row_groups(source.files, file)
            continue
        if small and (len(small) == PIECE_FILES or sum(f.num_bytes for f in small) + file.num_bytes > PIECE_BYTES):
            pieces.append(Piece(files=tuple(f.name for f in small)))
            small = []
        small.append(file)
    return pieces + ([Piece(files=tuple(f.name for f in small))] if small else [])


def read_piece(source: Source, piece: Piece) -> Iterator[RawRows]:
    """The rows of a piece in batches of bounded size.

    Raises:
        UserError: a file that cannot be read at all, a missing column, a path that leaves its root.
    """
    if source.form == "builtin":
        assert piece.items is not None
        yield from _read_emoji(source, emoji_corpus(source.builtin[1])[piece.items.start : piece.items.stop])
    elif source.form == "images":
        for names in _chunks(piece.files, 64):
            yield _read_images(source.files, names)
    else:
        for name in piece.files:
            table = Table(source.files, name, source.columns, source.payload)
            for rows in read_table(table, source.form, piece.groups):
                yield _load_paths(source.files, name, rows) if source.payload == "path" else rows


def _row_groups(listing: Listing, file: FileEntry) -> list[Piece]:
    with open_parquet(listing, file.name) as opened:
        num = opened.num_row_groups
    size = max(1, round(num * PIECE_BYTES / file.num_bytes))
    return [Piece(files=(file.name,), groups=range(n, min(n + size, num))) for n in range(0, num, size)]


def _read_images(listing: Listing, names: Sequence[str]) -> RawRows:
    loaded = [_load(listing.fs, listing.full(name)) for name in names]
    return RawRows(
        source=names,
        numbers=[0] * len(names),
        ids=[str(PurePosixPath(name).with_suffix("")).encode("utf-8", "surrogateescape") for name in names],
        payload=pa.array([data for data, _ in loaded], pa.large_binary()),
        problems=[problem for _, problem in loaded],
    )


def _load_paths(listing: Listing, name: str, rows: RawRows) -> RawRows:
    """Replace paths by the bytes of the files there."""
    loaded: list[tuple[bytes | None, str | None]] = []
    for path, number in zip(rows.payload.to_pylist(), rows.numbers, strict=True):
        if not path:
            loaded.append((None, None))
            continue
        full = referenced(listing, name, path.decode("utf-8", "surrogateescape"), number)
        loaded.append(_load(listing.fs, full))
    earlier = rows.problems or [None] * len(rows)
    return replace(
        rows,
        payload=pa.array([data for data, _ in loaded], pa.large_binary()),
        problems=[e or problem for e, (_, problem) in zip(earlier, loaded, strict=True)],
    )


def _load(fs: pafs.FileSystem, full: str) -> tuple[bytes | None, str | None]:
    try:
        with fs.open_input_stream(full, compression=None) as stream:
            return bytes(stream.read()), None
    except FileNotFoundError:
        return None, "image file not found"
    except OSError:
        return None, "image file not readable"


def _read_emoji(source: Source, items: Sequence[Emoji]) -> Iterator[RawRows]:
    for some in _chunks(items, 512):
        payload, *further = [_emoji_view(some, source.columns[view]) for view in source.views]
        yield RawRows(
            source=source.location,
            numbers=[0] * len(some),
            ids=[e.id.encode() for e in some],
            payload=payload,
            further=further,
            extras={
                "group": [e.group for e in some],
                "label": [e.label or None for e in some],
                "title": [e.name for e in some],
            },
        )


def _emoji_view(items: Sequence[Emoji], column: str) -> pa.Array:
    if column == "image":
        return pa.array([e.picture.read_bytes() for e in items], pa.large_binary())
    return pa.array([text.encode() for text in emoji_texts(items, column)], pa.large_binary())


def _chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[n : n + size] for n in range(0, len(rows), size))
