"""Outputs on an object store, which has no rename: unique prefixes, manifest last, and one pointer.

    objects/<step>-<key16>/<lease token>/<attempt>/…, MANIFEST.json
    objects/<step>-<key16>/CURRENT.json            {"prefix": "<lease token>/<attempt>"}; one atomic PUT publishes

Readers follow the pointer, so they never see half an output. Two drivers that both believe to hold the lease may both
upload; the pointer that is there first stays.
"""

from __future__ import annotations

import contextlib

import pyarrow.fs as pafs

from cluster.workflow.lease import LeaseLost
from cluster.workflow.local_layout import Draft
from cluster.workflow.manifest import MANIFEST
from components.files import Folder

POINTER = "CURRENT.json"


class ObjectLayout:
    """Where outputs lie on an object store, and how they get there."""

    def __init__(self, root: Folder) -> None:
        self._objects = root.sub("objects")

    def locate(self, output: str) -> Folder | None:
        """The folder that the pointer names; None without a pointer or without a manifest behind it."""
        prefix = self._current(output)
        if prefix is None:
            return None
        folder = self._objects.sub(f"{output}/{prefix}")
        return folder if folder.exists(MANIFEST) else None

    def draft(self, output: str, token: str) -> Folder:
        return self._objects.sub(f"{output}/{token}")

    def fence(self, output: str, token: str) -> None:
        """Delete what the holder of ``token`` uploaded so far. Best effort: it may upload more, but nobody looks."""
        if (self._current(output) or "").partition("/")[0] != token:
            self.draft(output, token).delete()

    def publish(self, made: Folder, output: str, manifest: bytes, *, replace: bool = False) -> Folder:
        """Manifest last, then the pointer. An output that is already there is kept unless ``replace``.

        Raises:
            LeaseLost: ``made`` is gone, because another driver took the step over.
        """
        if not made.exists():
            raise LeaseLost(f"{output} was taken over by another driver")
        before = self.locate(output)
        if before is not None and not replace:
            made.delete()
            return before
        made.write_bytes(MANIFEST, manifest)
        base = self._objects.sub(output)
        base.write_json(POINTER, {"prefix": made.path[len(base.path) + 1 :]})
        for info in entries(Folder(made.fs, made.path.rpartition("/")[0])):  # attempts that were killed before this one
            if info.path != made.path and info.type == pafs.FileType.Directory:
                self._objects.fs.delete_dir(info.path)
        if before is not None:
            before.delete()
        return self.locate(output) or made

    def remove(self, output: str) -> None:
        """Delete an output, the pointer first."""
        folder = self._objects.sub(output)
        if folder.exists(POINTER):
            folder.fs.delete_file(f"{folder.path}/{POINTER}")
        folder.delete()

    def names(self) -> dict[str, float]:
        """Published outputs and when (unix seconds)."""
        outputs = [i.base_name for i in entries(self._objects)]
        pointers = self._objects.fs.get_file_info([f"{self._objects.path}/{o}/{POINTER}" for o in outputs])
        found = zip(outputs, pointers, strict=True)
        return {o: (i.mtime_ns or 0) / 1e9 for o, i in found if i.type == pafs.FileType.File}

    def drafts(self) -> list[Draft]:
        """Prefixes that no pointer names."""
        found: list[Draft] = []
        for output in (i.base_name for i in entries(self._objects)):
            current = (self._current(output) or "").partition("/")[0]
            for info in entries(self._objects.sub(output)):
                if info.base_name not in (current, POINTER):
                    folder = self.draft(output, info.base_name)
                    found.append(Draft(output, info.base_name, folder, touched(folder)))
        return found

    def _current(self, output: str) -> str | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return str(self._objects.sub(output).read_json(POINTER)["prefix"])
        return None


def entries(folder: Folder, *, recursive: bool = False) -> list[pafs.FileInfo]:
    """What is in a folder (or below it); nothing if it is not there."""
    return list(folder.fs.get_file_info(pafs.FileSelector(folder.path, recursive=recursive, allow_not_found=True)))


def touched(folder: Folder) -> float:
    """When anything below a folder was last written (unix seconds)."""
    return max(((i.mtime_ns or 0) / 1e9 for i in entries(folder, recursive=True)), default=0.0)
