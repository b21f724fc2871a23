"""Keeps what a step's body prints, logs and lets native code write: file descriptors 1 and 2, into one file."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_LOG = 1 << 20  # bytes: the end is kept


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Send stdout and stderr of this process, and log records from INFO up, to ``path`` until the block ends.

    For processes that run one step at a time (Ray workers): the descriptors belong to the whole process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    _flush()
    kept = {fd: os.dup(fd) for fd in (1, 2)}
    handler = logging.StreamHandler(os.fdopen(os.dup(target), "w", errors="replace"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    try:
        for fd in kept:
            os.dup2(target, fd)
        root.addHandler(handler)
        root.setLevel(min(level, logging.INFO))
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        _flush()
        for fd, saved in kept.items():
            os.dup2(saved, fd)
            os.close(saved)
        handler.stream.close()
        os.close(target)


def tail(path: Path, longest: int = LONGEST_LOG) -> str:
    """The end of a log file as text; empty if there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - longest))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return f"[the first {size - longest:,} bytes are cut]\n{text}" if size > longest else text


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
