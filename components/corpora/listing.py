"""The files of a location: one file, a folder or a glob, on any filesystem that pyarrow opens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.fs as pafs

from components.errors import UserError


@dataclass(frozen=True)
class FileEntry:
    """Name relative to the listing's root, size in bytes, time of last change."""

    name: str
    num_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """Files below ``root`` of a filesystem, sorted by name; hidden files (``.name``) are left out."""

    fs: pafs.FileSystem
    root: str
    files: tuple[FileEntry, ...]

    def full(self, name: str) -> str:
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes:
        with self.fs.open_input_stream(self.full(name), compression=None) as stream:
            return bytes(stream.read())


def shown(location: str) -> str:
    """A location without the password or key that a URI may carry."""
    return re.sub(r"//[^/@]+@", "//***@", location.partition("?")[0] if "://" in location else location)


def list_files(location: str) -> Listing:
    """The file at a location, all files below a folder, or those that match a glob.

    Raises:
        UserError: nothing there, or it cannot be opened.
    """
    try:
        fs, path = _open(location)
        has_glob = any(c in path for c in "*?") and fs.get_file_info(path).type == pafs.FileType.NotFound
        base = _fixed_part(path) if has_glob else path
        info = fs.get_file_info(base)
        if info.type == pafs.FileType.NotFound:
            raise UserError("no such file or folder", where=shown(location), do="check the path of the source")
        if info.type == pafs.FileType.File:
            return Listing(fs, str(PurePosixPath(base).parent), (_entry(info, PurePosixPath(base).name),))
        found = _below(fs, base)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot be opened ({_first_line(error)})", where=shown(location)) from None
    pattern = _regex(path[len(base) :].lstrip("/")) if has_glob else None
    files = tuple(f for f in found if pattern is None or pattern.fullmatch(f.name))
    if not files:
        raise UserError("no files here", where=shown(location), do="check the path of the source")
    return Listing(fs, base, files)


def _open(location: str) -> tuple[pafs.FileSystem, str]:
    if "://" in location:
        fs, path = pafs.FileSystem.from_uri(location)
        return fs, str(path).rstrip("/")
    return pafs.LocalFileSystem(), str(Path(location).expanduser().resolve())


def _fixed_part(path: str) -> str:
    """The folders of a glob before its first wildcard."""
    parts = path.split("/")
    first = next(n for n, part in enumerate(parts) if any(c in part for c in "*?"))
    return "/".join(parts[:first])


def _below(fs: pafs.FileSystem, base: str) -> list[FileEntry]:
    infos = fs.get_file_info(pafs.FileSelector(base, recursive=True))
    named = ((i.path[len(base) :].lstrip("/"), i) for i in infos if i.type == pafs.FileType.File)
    visible = (_entry(i, name) for name, i in named if not any(part.startswith(".") for part in name.split("/")))
    return sorted(visible, key=lambda f: f.name)


def _entry(info: pafs.FileInfo, name: str) -> FileEntry:
    return FileEntry(name, int(info.size), int(info.mtime_ns or 0))


def _regex(pattern: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(parts.get(p, re.escape(p)) for p in re.split(r"(\*\*/|\*\*|\*|\?)", pattern)))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
