"""Leases: of several drivers on one store, one makes a step, and one that lost its lease cannot publish.

A lease is a file ``leases/<output>/<generation>.json``, created exclusively. The highest generation holds. Taking over
means creating the next one, so exactly one of several heirs wins, and a holder sees that it was replaced. Generations
never go back: a released lease stays as a small file (``"released": true``) until ``gc`` removes it.

The holder touches its file every two seconds. Expiry is judged by the observer's own monotonic clock (no change seen
for twenty seconds), so clocks of different hosts need not agree. A holder on this host whose process is dead is
replaced at once.

On object stores exclusive creation is "write, then read back", which is best effort: two drivers may both make a
step, and the first pointer that is written wins (see :mod:`cluster.workflow.object_layout`).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

import pyarrow.fs as pafs

from cluster.workflow.owner import Owner
from components.errors import UserError
from components.files import Folder, write_atomically

SILENT_S = 3600.0


class LeaseLost(RuntimeError):
    """Another driver took the step over; what this one made of it is not published."""


@dataclass(frozen=True, kw_only=True)
class LeaseTiming:
    """Seconds between heartbeats, and without one until takeover. ``settle_s``: object stores, write to read back."""

    heartbeat_s: float = 2.0
    expiry_s: float = 20.0
    settle_s: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < 3 * self.heartbeat_s <= self.expiry_s:
            raise UserError("expiry_s must be at least three times heartbeat_s, and both above 0", where="lease")


@dataclass(frozen=True)
class _Seen:
    generation: int
    stamp: Any  # changes with each heartbeat
    touched: float  # unix seconds by the file's clock
    content: dict[str, Any]

    @property
    def released(self) -> bool:
        return bool(self.content.get("released"))

    @property
    def owner(self) -> Owner | None:
        try:
            return Owner.read(self.content)
        except KeyError:  # the holder died, or is, between creating and writing the file
            return None

    @property
    def may_work(self) -> bool:
        """Whether its holder may still be at it. Only ``gc`` asks, so an hour of silence (and clock skew) is fine."""
        dead = self.owner is not None and self.owner.is_dead()
        return not self.released and not dead and time.time() - self.touched < SILENT_S


class Lease:
    """The right to publish one output, kept alive by a thread until :meth:`release`."""

    def __init__(self, files: _LeaseFiles, generation: int, owner: Owner, heir_of: str | None, beat_s: float) -> None:
        self._files, self._generation, self._owner = files, generation, owner
        self.token, self.heir_of = owner.token, heir_of
        self.lost = False  # the heartbeat found that another driver took over
        self._stop = threading.Event()
        self._beats = threading.Thread(target=self._beat, args=(beat_s,), daemon=True, name="isthmus-lease")
        self._beats.start()

    def held(self) -> bool:
        """Whether this is still the highest generation. Reads the store, trusts no memory."""
        newest = self._files.newest()
        return newest is not None and newest.content.get("token") == self.token and not newest.released

    def stop_heartbeat(self) -> None:
        """Fall silent, as a stopped process would."""
        self._stop.set()
        self._beats.join()

    def release(self) -> None:
        """Give it back; nothing happens if it was lost."""
        self.stop_heartbeat()
        with contextlib.suppress(OSError):
            if self.held():
                self._files.write(self._generation, {**self._owner.to_json(), "released": True})

    def _beat(self, beat_s: float) -> None:
        while not self._stop.wait(beat_s):
            with contextlib.suppress(OSError):  # a store that is away for a moment is no reason to stop trying
                self._files.touch(self._generation, self._owner.to_json())
                self.lost = self.lost or not self.held()


class Leases:
    """All leases of a store, seen from one driver."""

    def __init__(self, root: Folder, timing: LeaseTiming | None = None) -> None:
        self.root, self.timing = root, timing or LeaseTiming()
        self._watched: dict[str, tuple[Any, float]] = {}

    def acquire(self, output: str) -> Lease | Owner | None:
        """The lease of an output if it is free, expired or its holder is dead; else the holder (None if unknown).

        Never waits for the holder. Raises OSError if the store cannot be written.
        """
        files = _LeaseFiles(self.root.sub(output))
        newest = files.newest()
        if newest is not None and not self._is_free(output, newest):
            return newest.owner
        generation = newest.generation + 1 if newest else 1
        owner = Owner.new()
        if not files.create(generation, owner.to_json(), self.timing.settle_s):
            return None
        self._watched.pop(output, None)
        files.remove_below(generation)
        heir_of = newest.content.get("token") if newest and not newest.released else None
        return Lease(files, generation, owner, heir_of, self.timing.heartbeat_s)

    def live_tokens(self) -> set[str]:
        """Tokens of the leases whose holders may be at work."""
        found = [_LeaseFiles(self.root.sub(name)).newest() for name in self.names()]
        return {str(s.content.get("token")) for s in found if s and s.may_work}

    def is_live(self, output: str) -> bool:
        """Whether somebody may be making this output now."""
        newest = _LeaseFiles(self.root.sub(output)).newest()
        return newest is not None and newest.may_work

    def idle_for(self, output: str) -> float:
        """Seconds since anybody touched the lease of an output."""
        newest = _LeaseFiles(self.root.sub(output)).newest()
        return time.time() - newest.touched if newest else 0.0

    def names(self) -> list[str]:
        """Outputs for which lease files exist, released ones included."""
        return sorted({f.name.partition("/")[0] for f in self.root.files()})

    def _is_free(self, output: str, newest: _Seen) -> bool:
        if newest.released or (newest.owner is not None and newest.owner.is_dead()):
            return True
        now = time.monotonic()
        stamp, since = self._watched.get(output, (None, now))
        if stamp != newest.stamp:
            stamp, since = newest.stamp, now
        self._watched[output] = (stamp, since)
        return now - since >= self.timing.expiry_s


class _LeaseFiles:
    """The generations of one lease on any filesystem."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def newest(self) -> _Seen | None:
        selector = pafs.FileSelector(self._folder.path, allow_not_found=True)
        found = [(int(i.base_name[:-5]), i) for i in self._folder.fs.get_file_info(selector) if _is_lease(i.base_name)]
        if not found:
            return None
        generation, info = max(found, key=lambda f: f[0])
        try:
            content = self._content(generation)
        except FileNotFoundError:  # replaced between listing and reading
            return self.newest()
        stamp = (generation, info.mtime_ns, info.size, content.get("beat"))
        return _Seen(generation, stamp, (info.mtime_ns or 0) / 1e9, content)

    def _content(self, generation: int, tries: int = 3) -> dict[str, Any]:
        for _ in range(tries):
            try:
                return dict(self._folder.read_json(_name(generation)))
            except ValueError:  # just being written
                time.sleep(0.01)
        return {}

    def create(self, generation: int, content: dict[str, Any], settle_s: float) -> bool:
        """True if this call made the file. On object stores: if, a moment later, it is still ours."""
        self._folder.make()
        if self._folder.is_local:
            return self._create_local(generation, content)
        if self._folder.exists(_name(generation)):
            return False
        self._folder.write_json(_name(generation), content)
        time.sleep(settle_s)
        newest = self.newest()
        return newest is not None and newest.content.get("token") == content["token"]

    def write(self, generation: int, content: dict[str, Any]) -> None:
        if not self._folder.is_local:
            self._folder.write_json(_name(generation), content)
            return
        write_atomically(self._folder.local / _name(generation), json.dumps(content).encode())

    def touch(self, generation: int, content: dict[str, Any]) -> None:
        """A heartbeat: changes the modification time. Never brings back a file that is gone."""
        if self._folder.is_local:
            os.utime(self._folder.local / _name(generation))
        elif self._folder.exists(_name(generation)):
            self._folder.write_json(_name(generation), {**content, "beat": time.time_ns()})

    def remove_below(self, generation: int) -> None:
        for file in self._folder.files():
            if _is_lease(file.name) and int(file.name[:-5]) < generation:
                with contextlib.suppress(OSError):
                    self._folder.fs.delete_file(f"{self._folder.path}/{file.name}")

    def _create_local(self, generation: int, content: dict[str, Any]) -> bool:
        try:
            handle = os.open(self._folder.local / _name(generation), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        return True


def _name(generation: int) -> str:
    return f"{generation:08d}.json"


def _is_lease(name: str) -> bool:
    return name.endswith(".json") and name[:-5].isdigit()
