"""Outputs on a disk (local or shared): made in ``tmp/``, published by one rename.

objects/<step>-<key16>/…, MANIFEST.json      complete outputs, and nothing else
tmp/<step>-<key16>.<lease token>/<attempt>/  outputs being made
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from cluster.workflow.lease import LeaseLost
from cluster.workflow.manifest import MANIFEST
from components.files import Folder

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


@dataclass(frozen=True)
class Draft:
    """A folder that is being made: by which lease, and when it was last touched (unix seconds)."""

    output: str
    token: str
    folder: Folder
    touched: float


class LocalLayout:
    """Where outputs lie on a disk, and how they get there."""

    def __init__(self, root: Folder) -> None:
        self._objects, self._tmp = root.sub("objects"), root.sub("tmp")

    def locate(self, output: str) -> Folder | None:
        """The folder of a published output. Without a manifest it is none."""
        folder = self._objects.sub(output)
        return folder if (folder.local / MANIFEST).is_file() else None

    def draft(self, output: str, token: str) -> Folder:
        return self._tmp.sub(f"{output}.{token}")

    def fence(self, output: str, token: str) -> None:
        """Take away what the holder of ``token`` was making: from now on its rename fails, whatever it believes."""
        self._vanish(self.draft(output, token).local)

    def publish(self, made: Folder, output: str, manifest: bytes, *, replace: bool = False) -> Folder:
        """Manifest last, everything on disk, one rename. An output that is already there is kept unless ``replace``.

        Raises:
            LeaseLost: ``made`` is gone, because another driver took the step over.
        """
        target = self._objects.sub(output)
        try:
            _write_synced(made.local / MANIFEST, manifest)
            sync(made.local)
            self._objects.make()
            if replace:
                self._vanish(target.local)
            self._rename(made.local, target.local)
        except FileNotFoundError as exc:
            raise LeaseLost(f"{output} was taken over by another driver") from exc
        self._vanish(made.local.parent)
        return target

    def remove(self, output: str) -> None:
        """Delete an output. It disappears at once, its bytes after that."""
        self._vanish(self._objects.sub(output).local)

    def names(self) -> dict[str, float]:
        """Published outputs and when (unix seconds)."""
        found = {}
        for path in self._objects.local.glob(f"*/{MANIFEST}"):
            with contextlib.suppress(FileNotFoundError):
                found[path.parent.name] = path.stat().st_mtime
        return found

    def drafts(self) -> list[Draft]:
        """Everything in ``tmp/``, leftovers of crashed deletions included (no lease has their token)."""
        if not self._tmp.local.is_dir():
            return []
        found = []
        for path in self._tmp.local.iterdir():
            output, _, token = path.name.partition(".")
            found.append(Draft(output, token, self._tmp.sub(path.name), path.stat().st_mtime))
        return found

    def _rename(self, made: Path, target: Path) -> None:
        """Publish; what is there already stays, unless it is no output (no manifest)."""
        try:
            os.rename(made, target)
        except OSError as exc:
            if exc.errno not in _TAKEN:
                raise
            if not (target / MANIFEST).is_file():
                self._vanish(target)
                os.rename(made, target)
        _sync_folder(target.parent)

    def _vanish(self, path: Path) -> None:
        aside = self._tmp.make().local / f"{path.name.partition('.')[0]}.gone-{secrets.token_hex(4)}"
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside, ignore_errors=True)


def sync(folder: Path) -> None:
    """Force every file and directory below ``folder`` to the disk."""
    for directory, _, names in os.walk(folder):
        for name in names:
            _sync_file(Path(directory, name))
        _sync_folder(Path(directory))


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
