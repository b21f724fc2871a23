"""What a source's content is, as one short hash: the identity of a step's external input.

Hashes of files are remembered by size and time of change, so that ``plan`` does not read a corpus again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.fs as pafs

from components.corpora.emoji import builtin_versions, is_builtin
from components.corpora.forms import column_names, form_of, of_form, read_table
from components.corpora.listing import FileEntry, Listing, list_files
from components.corpora.paths import referenced
from components.corpora.source_config import PAYLOADS
from components.corpora.table import Table
from components.errors import UserError

CACHE = "source-digests"
SETTLED_NS = 2_000_000_000
"""A file changed less than two seconds ago may change again within its time stamp: its hash is not remembered."""


def source_digest(location: str, *, cache_dir: Path | None = None, columns: Mapping[str, Any] | None = None) -> str:
    """Hash of a corpus or a pairs file: names and contents of its files, and of those its ``path`` column names.

    Files on object stores count by size and time of change. A built-in corpus is the versions of its packages.

    Args:
        location: as in a recipe.
        cache_dir: where hashes are remembered; None remembers nothing.
        columns: column names that the recipe gives, as in :class:`SourceConfig`.

    Raises:
        UserError: nothing there, unreadable, or a ``path`` that leads out of its folder.
    """
    if is_builtin(location):
        return _hash({"builtin": location, "packages": builtin_versions()})
    listing = list_files(location)
    with_paths = Listing(listing.fs, listing.root, listing.files + tuple(_pictures(listing, location, columns or {})))
    digests = _file_digests(with_paths, cache_dir)
    return _hash({"files": sorted(digests.items())})


def _pictures(listing: Listing, location: str, columns: Mapping[str, Any]) -> Iterator[FileEntry]:
    """The files that the table's ``path`` column names, as far as they exist."""
    form = form_of(listing, location)
    column = _path_column(listing, form, columns)
    if column is None:
        return
    names: dict[str, None] = {}
    for file in of_form(listing, form).files:
        names.update(dict.fromkeys(_referenced(listing, file.name, form, column)))
    for info in listing.fs.get_file_info(list(names)):
        if info.type == pafs.FileType.File:
            yield FileEntry(os.path.relpath(info.path, listing.root), int(info.size), int(info.mtime_ns or 0))


def _path_column(listing: Listing, form: str, columns: Mapping[str, Any]) -> str | None:
    named = [p for p in PAYLOADS if columns.get(p)]
    if form == "images" or (named and named != ["path"]):
        return None
    if named:
        return str(columns["path"])
    found = column_names(of_form(listing, form), form)
    return "path" if [p for p in PAYLOADS if p in found] == ["path"] else None


def _referenced(listing: Listing, name: str, form: str, column: str) -> Iterator[str]:
    table = Table(listing, name, {"id": column, "path": column}, "path")
    for rows in read_table(table, form):
        for path, number in zip(rows.ids, rows.numbers, strict=True):
            if path:
                yield referenced(listing, name, path.decode("utf-8", "surrogateescape"), number)


def _file_digests(listing: Listing, cache_dir: Path | None) -> dict[str, str]:
    if not isinstance(listing.fs, pafs.LocalFileSystem):
        return {f.name: f"{f.num_bytes}:{f.mtime_ns}" for f in listing.files}
    cache = _Cache(cache_dir, listing.root)
    digests = {f.name: cache.get(f) or _sha256(listing.full(f.name)) for f in listing.files}
    cache.put(listing.files, digests)
    return digests


class _Cache:
    """One small JSON file per root: name -> size, time of change, hash."""

    def __init__(self, folder: Path | None, root: str) -> None:
        name = hashlib.sha256(root.encode()).hexdigest()[:24]
        self.path = folder / CACHE / f"{name}.json" if folder else None
        self.known = self._load()

    def get(self, file: FileEntry) -> str | None:
        size, mtime_ns, digest = self.known.get(file.name, (None, None, None))
        return digest if (size, mtime_ns) == (file.num_bytes, file.mtime_ns) else None

    def put(self, files: tuple[FileEntry, ...], digests: Mapping[str, str]) -> None:
        now = time.time_ns()
        new = {f.name: [f.num_bytes, f.mtime_ns, digests[f.name]] for f in files if now - f.mtime_ns > SETTLED_NS}
        if self.path is None or new.items() <= self.known.items():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{uuid4().hex}.tmp")
        temporary.write_text(json.dumps(self.known | new))
        temporary.replace(self.path)

    def _load(self) -> dict[str, list[Any]]:
        try:
            return dict(json.loads(self.path.read_text())) if self.path else {}
        except (OSError, ValueError):
            return {}


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=path) from None


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
