"""Folder: a place for a step's files on any pyarrow filesystem (local disk, NFS, S3, GCS).

Formats are Parquet, safetensors, JSON and plain bytes. Nothing here reads or writes a pickle.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

_BLOCK = 1 << 20


def json_bytes(value: Any) -> bytes:
    """JSON as all files of ours have it. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole local file or none of it; a reader sees the old one until then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_bytes(data)
    draft.replace(path)


class Place(Protocol):
    """Where JSON values and arrays are kept under names: a :class:`Folder`, or a bundle of them in one file."""

    def read_json(self, name: str) -> Any: ...

    def write_json(self, name: str, value: Any) -> None: ...

    def read_tensors(self, name: str) -> dict[str, np.ndarray]: ...

    def write_tensors(self, name: str, tensors: Mapping[str, np.ndarray]) -> None: ...


@dataclass(frozen=True)
class FileFact:
    """Name relative to its folder, and size in bytes."""

    name: str
    num_bytes: int


@dataclass(frozen=True)
class Folder:
    """A directory of a filesystem. Names passed to its methods are relative, with ``/`` between parts."""

    fs: pafs.FileSystem
    path: str

    @classmethod
    def at(cls, uri_or_path: str | Path) -> Folder:
        """The folder at a local path or at any URI that pyarrow opens (``s3://…``, ``gs://…``, ``file://…``)."""
        text = str(uri_or_path)
        if "://" in text:
            fs, path = pafs.FileSystem.from_uri(text)
            return cls(fs, path.rstrip("/"))
        return cls(pafs.LocalFileSystem(), str(Path(text).expanduser().resolve()))

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, pafs.LocalFileSystem)

    @property
    def local(self) -> Path:
        """This folder as a local path. Raises ValueError on a remote filesystem."""
        if not self.is_local:
            raise ValueError(f"{self.path} is not on a local filesystem")
        return Path(self.path)

    def sub(self, name: str) -> Folder:
        return Folder(self.fs, f"{self.path}/{name}")

    def make(self) -> Folder:
        self.fs.create_dir(self.path, recursive=True)
        return self

    def exists(self, name: str = "") -> bool:
        return bool(self.fs.get_file_info(self._full(name)).type != pafs.FileType.NotFound)

    def files(self, prefix: str = "") -> list[FileFact]:
        """All files below this folder, sorted by name."""
        selector = pafs.FileSelector(self.path, recursive=True, allow_not_found=True)
        found = (
            FileFact(i.path[len(self.path) :].lstrip("/"), int(i.size))
            for i in self.fs.get_file_info(selector)
            if i.type == pafs.FileType.File
        )
        return sorted((f for f in found if f.name.startswith(prefix)), key=lambda f: f.name)

    def read_bytes(self, name: str) -> bytes:
        with self.fs.open_input_stream(self._full(name), compression=None) as stream:
            return bytes(stream.read())

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a whole file. Not atomic: atomicity is that of the step's folder, which is published once."""
        full = self._full(name)
        self.fs.create_dir(full.rsplit("/", 1)[0], recursive=True)
        with self.fs.open_output_stream(full, compression=None) as stream:
            stream.write(data)

    def read_json(self, name: str) -> Any:
        return json.loads(self.read_bytes(name))

    def write_json(self, name: str, value: Any) -> None:
        self.write_bytes(name, json_bytes(value))

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A Parquet file, or all ``*.parquet`` files directly in the sub-folder ``name`` in order of their names."""
        if name.endswith(".parquet"):
            return pq.read_table(self._full(name), filesystem=self.fs, columns=columns, partitioning=None)
        return pa.concat_tables([self.read_table(n, columns) for n in self.parquet_names(name)])

    def iter_tables(self, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The Parquet shards of a sub-folder one at a time."""
        for shard in self.parquet_names(name):
            yield self.read_table(shard, columns)

    def parquet_names(self, name: str = "") -> list[str]:
        prefix = f"{name}/" if name else ""
        return [f.name for f in self.files(prefix) if f.name.endswith(".parquet") and "/" not in f.name[len(prefix) :]]

    def write_table(self, name: str, table: pa.Table) -> None:
        full = self._full(name)
        self.fs.create_dir(full.rsplit("/", 1)[0], recursive=True)
        pq.write_table(table, full, filesystem=self.fs)

    def read_tensors(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of a safetensors file."""
        from safetensors.numpy import load

        return load(self.read_bytes(name))

    def write_tensors(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        from safetensors.numpy import save

        self.write_bytes(name, save({k: np.asarray(v, order="C") for k, v in tensors.items()}))

    def copy_to(self, target: Folder) -> None:
        """Write all files of this folder into another one, on any filesystem."""
        for file in self.files():
            full = target._full(file.name)
            target.fs.create_dir(full.rsplit("/", 1)[0], recursive=True)
            target.write_bytes(file.name, self.read_bytes(file.name))

    def delete(self) -> None:
        """Remove this folder and all below it; nothing happens if it is not there."""
        if self.exists():
            self.fs.delete_dir(self.path)

    def _full(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path


def file_digest(folder: Folder, name: str) -> str:
    """SHA-256 of a file, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with folder.fs.open_input_stream(f"{folder.path}/{name}", compression=None) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
