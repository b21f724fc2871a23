"""The store: outputs under their keys, leases, work folders and run records, below one folder of any filesystem.

objects/  complete outputs           leases/  who makes what           runs/  one JSON record a run
tmp/      outputs being made         work/    checkpoints; survive a crash, removed after publishing
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.workflow.failures import storage_errors
from cluster.workflow.keys import object_name
from cluster.workflow.lease import Lease, LeaseLost, Leases, LeaseTiming
from cluster.workflow.local_layout import LocalLayout
from cluster.workflow.manifest import MANIFEST, Manifest, ManifestError, damage
from cluster.workflow.object_layout import ObjectLayout
from components.errors import UserError
from components.files import Folder, json_bytes, write_atomically

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Output:
    """A published output: its manifest, and the folder that holds its files."""

    folder: Folder
    manifest: Manifest

    @property
    def place(self) -> str:
        """Path (or path in the bucket) to show and to record."""
        return self.folder.path


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the store has for a key: nothing, a sound output, or a damaged one (``damage`` says what is wrong)."""

    output: Output | None = None
    damage: str | None = None

    @property
    def sound(self) -> Output | None:
        return self.output if self.damage is None else None


class Store:
    """Content-addressed outputs of steps.

    On a local filesystem an output is published by one rename, elsewhere by one pointer file; both are atomic.
    """

    def __init__(self, root: Folder) -> None:
        self.root = root
        self._layout: LocalLayout | ObjectLayout = LocalLayout(root) if root.is_local else ObjectLayout(root)

    @classmethod
    def at(cls, uri_or_path: str | Path) -> Store:
        return cls(Folder.at(uri_or_path))

    def find(self, step: str, key: str, *, verify: bool = False, trust: bool = False) -> Found:
        """The output of a key and whether it is sound. ``trust``: it was checked a moment ago, look no closer."""
        folder = self._layout.locate(object_name(step, key))
        if folder is None:
            return Found()
        try:
            manifest = Manifest.from_bytes(folder.read_bytes(MANIFEST))
        except FileNotFoundError:  # deleted since
            return Found()
        except ManifestError as exc:
            return Found(damage=str(exc))
        broken = None if trust else damage(folder, manifest, verify=verify)
        return Found(output=Output(folder=folder, manifest=manifest), damage=broken)

    def newest(self, step: str, outputs: Mapping[str, float] | None = None) -> Manifest | None:
        """The manifest of the output of this step, under whatever key, that was published last.

        ``outputs``: what :meth:`outputs` returned, for callers that ask for many steps.
        """
        pattern = re.compile(re.escape(step) + "-[0-9a-f]{16}")
        published = self.outputs() if outputs is None else outputs
        names = {n: t for n, t in published.items() if pattern.fullmatch(n)}
        for name in sorted(names, key=lambda n: (names[n], n), reverse=True):
            manifest = self.read(name)
            if manifest is not None:
                return manifest
        return None

    def read(self, output: str) -> Manifest | None:
        """The manifest of an output by its name on disk; None if it cannot be read."""
        folder = self._layout.locate(output)
        try:
            return Manifest.from_bytes(folder.read_bytes(MANIFEST)) if folder else None
        except (ManifestError, FileNotFoundError):
            return None

    def outputs(self) -> dict[str, float]:
        """Names of published outputs and when each was published (unix seconds)."""
        return self._layout.names()

    def folder_of(self, output: str) -> Folder | None:
        return self._layout.locate(output)

    @property
    def layout(self) -> LocalLayout | ObjectLayout:
        return self._layout

    def leases(self, timing: LeaseTiming | None = None) -> Leases:
        return Leases(self.root.sub("leases"), timing)

    def draft(self, step: str, key: str, lease: Lease) -> Folder:
        """Where the holder of a lease makes the output. Fences off the holder before, if that one is presumed dead."""
        output = object_name(step, key)
        if lease.heir_of:
            self._layout.fence(output, lease.heir_of)
        return self._layout.draft(output, lease.token)

    def work(self, step: str, key: str) -> Folder:
        """The folder for checkpoints: the same for every attempt at this key."""
        return self.root.sub(f"work/{object_name(step, key)}")

    def publish(self, made: Folder, manifest: Manifest, lease: Lease, *, replace: bool = False) -> Output:
        """Make ``made`` (inside the lease's draft) the output of ``manifest.key``, at once or not at all.

        An output that is there already is kept, unless ``replace``. The work folder is removed.

        Raises:
            LeaseLost: another driver took this step over.
            UserError: the disk is full or read-only.
        """
        output = object_name(manifest.step, manifest.key)
        if not lease.held():
            raise LeaseLost(f"{output} was taken over by another driver")
        with storage_errors(self.root.path):
            folder = self._layout.publish(made, output, manifest.to_bytes(), replace=replace)
            self.work(manifest.step, manifest.key).delete()
        return Output(folder=folder, manifest=Manifest.from_bytes(folder.read_bytes(MANIFEST)))

    def discard(self, step: str, key: str) -> None:
        """Delete an output, e.g. a damaged one. Only under its lease."""
        with storage_errors(self.root.path):
            self._layout.remove(object_name(step, key))

    def write_run(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Write a run's record atomically. Raises UserError if the store cannot be written."""
        runs = self.root.sub("runs")
        with storage_errors(self.root.path):
            name, data = f"{check_run_id(run_id)}.json", json_bytes(record)
            if self.root.is_local:
                write_atomically(runs.local / name, data)
            else:
                runs.write_bytes(name, data)

    def read_run(self, run_id: str) -> dict[str, Any]:
        """The record of a run. Raises UserError if there is none."""
        try:
            return dict(self.root.sub("runs").read_json(f"{check_run_id(run_id)}.json"))
        except FileNotFoundError:
            raise UserError(f"there is no run {run_id} in {self.root.path}") from None

    def run_ids(self) -> list[str]:
        """All recorded runs, oldest first (their ids sort by time)."""
        return [f.name[:-5] for f in self.root.sub("runs").files() if f.name.endswith(".json") and f.name[0] != "."]


def check_run_id(run_id: str) -> str:
    """Raises UserError for an id that would not be a plain file name."""
    if not _RUN_ID.fullmatch(run_id):
        raise UserError(f"{run_id!r} is no run id", do="use letters, digits, dots and dashes")
    return run_id
