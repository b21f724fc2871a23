"""The outbox: an append-only journal of tracking records per pipeline run, on local disk.

``home/outbox/<run id>/``

* ``records.jsonl``  one record a line; the first is a header. A line without newline was torn by a crash: ignored.
* ``progress.json``  how far the records have reached MLflow, and which MLflow run each of our uids became.
* ``files/``         staged copies (hard links where possible) of small artifacts.
* ``lock``           held by the living writer, or by whoever replays. The kernel frees it when its holder dies.

Records survive SIGKILL of the writer at any byte (the page cache keeps them; they are not fsynced one by one, so a
power cut may lose the last seconds). Every record is idempotent, so replaying one twice changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.files import write_atomically

FORMAT = 1
Record = dict[str, Any]


def outbox_root(home: Path) -> Path:
    return home / "outbox"


class FileLock:
    """An exclusive advisory lock on a file, freed by the kernel if its holder dies. Not re-entrant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock. False if somebody else has it and ``wait`` is false, or if the file was removed meanwhile."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            same = os.stat(self._path).st_ino == os.fstat(fd).st_ino
        except OSError:
            same = False
        if not same:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


@dataclass
class Progress:
    """How far one journal has been applied.

    Attributes:
        offset: bytes of ``records.jsonl`` that are in MLflow.
        runs: our uid -> MLflow run id.
        unfinished: uids that were created and not yet ended.
        unsure: uids whose creation got no answer; a second run of that uid may exist.
        attempts: failed attempts at the record at ``offset``.
    """

    offset: int = 0
    runs: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    attempts: int = 0


class Journal:
    """One run's outbox folder. Exactly one process holds its lock at a time."""

    def __init__(self, root: Path, run_id: str) -> None:
        if not run_id or "/" in run_id or run_id.startswith("."):
            raise ValueError(f"a run id may not contain '/' or start with '.': {run_id!r}")
        self.run_id = run_id
        self.path = root / run_id
        self.files = self.path / "files"
        self.records = self.path / "records.jsonl"
        self._lock = FileLock(self.path / "lock")
        self._append_lock = threading.Lock()
        self._stream: Any = None

    def lock(self) -> bool:
        """Become the only process that may write or replay this journal. False if another one is."""
        return self._lock.acquire(wait=False)

    def unlock(self) -> None:
        self._lock.release()

    def append(self, *records: Record) -> None:
        """Write records, all of them or none as far as a reader can tell. Safe from any thread.

        Raises:
            OSError: the disk is full or read-only.
        """
        data = b"".join(json.dumps(r, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for r in records)
        with self._append_lock:
            if self._stream is None:
                self._stream = self._open_for_append()
            self._write_all(data)

    def _write_all(self, data: bytes) -> None:
        start = self._stream.seek(0, os.SEEK_END)
        try:
            written = self._stream.write(data)
        except OSError:
            self._stream.truncate(start)
            raise
        if written != len(data):  # the disk filled up in the middle of the line
            self._stream.truncate(start)
            raise OSError(f"only {written} of {len(data)} bytes of a tracking record fit on the disk")

    def _open_for_append(self) -> Any:
        self.path.mkdir(parents=True, exist_ok=True)
        stream = open(self.records, "ab", buffering=0)
        if stream.tell() and not self.records.read_bytes().endswith(b"\n"):
            stream.write(b"\n")  # seal the line that a crash tore; it fails to parse and is skipped
        return stream

    def close(self) -> None:
        """Flush to the disk itself. The lock stays until :meth:`unlock`."""
        with self._append_lock:
            if self._stream is not None:
                os.fsync(self._stream.fileno())
                self._stream.close()
                self._stream = None

    def read(self, offset: int) -> Iterator[tuple[int, Record | None]]:
        """Complete lines from ``offset`` on, each with the offset behind it; None for a line that does not parse."""
        if not self.records.exists():
            return
        with open(self.records, "rb") as stream:
            stream.seek(offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield offset, _parse(line)

    def header(self) -> Record | None:
        """The first record, or None if the writer died before it had written one."""
        first = next(self.read(0), None)
        return first[1] if first else None

    def num_pending(self, progress: Progress) -> int:
        return sum(1 for _, record in self.read(progress.offset) if record is not None)

    def load_progress(self) -> Progress:
        try:
            return Progress(**json.loads((self.path / "progress.json").read_text()))
        except (OSError, ValueError, TypeError):  # never written, or torn by a power cut: records are idempotent
            return Progress()

    def save_progress(self, progress: Progress) -> None:
        write_atomically(self.path / "progress.json", json.dumps(vars(progress)).encode())

    def is_abandoned_empty(self, age_s: float = 3600.0) -> bool:
        """True if a writer died before its first record, so long ago that none can be about to write it."""
        return self.header() is None and self.path.is_dir() and time.time() - self.path.stat().st_mtime > age_s

    def remove(self) -> None:
        """Delete the folder; all its records are in MLflow."""
        shutil.rmtree(self.path, ignore_errors=True)


def leftovers(home: Path, *, but: str = "") -> list[Journal]:
    """Journals of earlier runs, oldest first, with or without a living writer."""
    root = outbox_root(home)
    if not root.is_dir():
        return []
    found = [p for p in root.iterdir() if p.is_dir() and p.name != but and not p.name.startswith(".")]
    return [Journal(root, p.name) for p in sorted(found, key=lambda p: (p.stat().st_mtime, p.name))]


def keep_rejected(home: Path, run_id: str, record: Mapping[str, Any], reason: str, max_bytes: int = 2**20) -> None:
    """Append a record that MLflow refuses for good to ``home/outbox/rejected.jsonl``, kept below ``max_bytes``."""
    path = outbox_root(home) / "rejected.jsonl"
    line = json.dumps({"run": run_id, "reason": reason, "record": record}, ensure_ascii=False) + "\n"
    size = path.stat().st_size if path.exists() else 0
    if size + len(line) <= max_bytes:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(line)


def _parse(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
