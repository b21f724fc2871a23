"""Who holds a lease: a process on a host, and whether it can be seen to be dead."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_START_SLACK_S = 5.0  # the same start time, read twice, moves when the wall clock is corrected


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process: host name, boot and pid namespace (together: the place), pid, start time (unix s), random token."""

    host: str
    boot: str
    space: str
    pid: int
    started: float
    token: str

    @classmethod
    def new(cls) -> Owner:
        """This process, with a token of its own for every lease."""
        import psutil

        started = psutil.Process().create_time()
        return cls(host=platform.node(), pid=os.getpid(), started=started, token=secrets.token_hex(8), **_place())

    @classmethod
    def read(cls, value: dict[str, Any]) -> Owner:
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def is_dead(self) -> bool:
        """True only when it is certain: the process was on this host, since its last boot, and is no more."""
        import psutil

        if (self.host, self.boot, self.space) != (platform.node(), *_place().values()):
            return False
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _START_SLACK_S
            return not same or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@lru_cache(maxsize=1)
def _place() -> dict[str, str]:
    place = {"boot": "", "space": ""}
    with contextlib.suppress(OSError):
        place["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        place["space"] = os.readlink("/proc/self/ns/pid")
    return place
