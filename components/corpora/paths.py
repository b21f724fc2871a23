"""Paths that a table gives: untrusted, and never allowed to leave the folder of that table."""

from __future__ import annotations

import posixpath
from pathlib import Path

import pyarrow.fs as pafs

from components.corpora.listing import Listing
from components.errors import UserError


def inside(folder: str, path: str) -> str | None:
    """``path``, relative to ``folder``, as a full name, or None if it leads out. Absolute paths may lead inside."""
    if "\0" in path or "\\" in path or "://" in path:
        return None
    full = posixpath.normpath(path if path.startswith("/") else f"{folder}/{path}")
    return full if full.startswith(folder.rstrip("/") + "/") else None


def referenced(listing: Listing, name: str, path: str, row: int) -> str:
    """Full name of a file that a ``path`` column refers to. Raises UserError if it leaves the folder of its table."""
    table = listing.full(name)
    folder = posixpath.dirname(table)
    full = inside(folder, path)
    if full is not None and isinstance(listing.fs, pafs.LocalFileSystem):
        real = Path(full).resolve()
        full = full if real.is_relative_to(Path(folder).resolve()) else None
    if full is None:
        raise UserError(
            f"the path {path!r} of row {row} leads out of the folder of its file",
            where=table,
            do="keep the pictures below that folder and give relative paths",
        )
    return full
