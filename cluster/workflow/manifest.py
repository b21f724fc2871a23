"""The manifest: which files make up an output, with digests, and from what they were made. Written last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from cluster.workflow.keys import digest_of
from components.errors import UserError
from components.files import Folder, file_digest

MANIFEST = "MANIFEST.json"
FORMAT = 1
HASH_WITHOUT_ASKING = 64 << 20  # bytes: below this, reading an output costs less than trusting a damaged one


class ManifestError(ValueError):
    """A manifest that cannot be trusted; the text says why."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file of an output. ``rows`` and ``schema`` (column -> Arrow type) for Parquet only."""

    name: str
    sha256: str
    bytes: int
    rows: int | None = None
    schema: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class InputRef:
    """The output that a step read: its step, key and content digest."""

    step: str
    key: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a complete output says about itself.

    Attributes:
        step, version, key, config, externals, locations, options, resources, run: as in the step.
        inputs: name of the input -> what was read.
        files: sorted by name.
        facts: what the body returned.
        made: run, time (unix seconds), seconds, cpu_seconds and peak_bytes (of the body's process), host of the driver,
            node of the body, nodes of its pieces (id -> how many), source digest, git, packages. Recorded, never
            hashed.
    """

    step: str
    version: str
    key: str
    run: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    externals: Mapping[str, str] = field(default_factory=dict)
    locations: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, InputRef] = field(default_factory=dict)
    files: tuple[FileEntry, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content: names, digests and sizes of the files. Equal content, equal digest."""
        return digest_of([[f.name, f.sha256, f.bytes] for f in self.files])

    @property
    def num_bytes(self) -> int:
        return sum(f.bytes for f in self.files)

    @property
    def num_rows(self) -> int | None:
        """Rows of all Parquet files together; None if there are none."""
        rows = [f.rows for f in self.files if f.rows is not None]
        return sum(rows) if rows else None

    def to_bytes(self) -> bytes:
        body = {**asdict(self), "format": FORMAT, "digest": self.digest, "bytes": self.num_bytes}
        text = json.dumps({**body, "sum": digest_of(body)}, indent=1, sort_keys=True, ensure_ascii=False)
        return (text + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises ManifestError if the text is cut, altered or of another format."""
        try:
            body = json.loads(data)
        except ValueError as exc:
            raise ManifestError(f"{MANIFEST} is truncated or not JSON") from exc
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            found = body.get("format") if isinstance(body, dict) else None
            raise ManifestError(f"{MANIFEST} has format {found}, this release reads format {FORMAT}")
        if body.pop("sum", None) != digest_of(body):
            raise ManifestError(f"{MANIFEST} is bit-flipped: it does not match its own digest")
        for derived in ("format", "digest", "bytes"):
            body.pop(derived)
        body["files"] = tuple(FileEntry(**f) for f in body["files"])
        body["inputs"] = {n: InputRef(**i) for n, i in body["inputs"].items()}
        return cls(**body)


def describe_files(folder: Folder) -> tuple[FileEntry, ...]:
    """Every file below ``folder`` with digest and size, and rows and schema for Parquet."""
    return tuple(_describe(folder, f.name, f.num_bytes) for f in folder.files() if f.name != MANIFEST)


def damage(folder: Folder, manifest: Manifest, *, verify: bool = False) -> str | None:
    """Why an output is not what its manifest says, or None.

    Existence and sizes are always compared; digests with ``verify``, and unasked on a local disk when the output has
    at most 64 MiB (object stores keep checksums of their own).
    """
    sizes = {f.name: f.num_bytes for f in folder.files()}
    for entry in manifest.files:
        if entry.name not in sizes:
            return f"{entry.name} is missing"
        if sizes[entry.name] < entry.bytes:
            return f"{entry.name} is truncated ({sizes[entry.name]:,} of {entry.bytes:,} bytes)"
        if sizes[entry.name] > entry.bytes:
            return f"{entry.name} has grown ({sizes[entry.name]:,} instead of {entry.bytes:,} bytes)"
    if verify or (folder.is_local and manifest.num_bytes <= HASH_WITHOUT_ASKING):
        for entry in manifest.files:
            if file_digest(folder, entry.name) != entry.sha256:
                return f"{entry.name} is bit-flipped (its SHA-256 differs from the manifest's)"
    return None


def _describe(folder: Folder, name: str, num_bytes: int) -> FileEntry:
    rows, schema = _parquet_facts(folder, name) if name.endswith(".parquet") else (None, None)
    return FileEntry(name=name, sha256=file_digest(folder, name), bytes=num_bytes, rows=rows, schema=schema)


def _parquet_facts(folder: Folder, name: str) -> tuple[int, dict[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(f"{folder.path}/{name}", filesystem=folder.fs)
    except pa.ArrowInvalid as exc:
        raise UserError("the step wrote a Parquet file that cannot be read", where=name) from exc
    with found:
        return found.metadata.num_rows, {f.name: str(f.type) for f in found.schema_arrow}
