"""The most memory that this process had resident while something ran.

Linux keeps the peak of a process and forgets it when asked to (``clear_refs``, proc(5)): no thread has to look.
Elsewhere the peak is that of the whole life of the process, and known of a step only if the step raised it.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Looks from when it is made."""

    def __init__(self) -> None:
        self._forgot = _forget()
        self._before = _peak()

    def bytes(self) -> int | None:
        """None if it cannot be known: the process had more earlier, and the system cannot forget it."""
        peak = _peak()
        return peak if self._forgot or peak > self._before else None


def _forget() -> bool:
    try:
        _FORGET.write_text("5")
    except OSError:
        return False
    return True


def _peak() -> int:
    if _STATUS.exists():
        line = next((line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")), None)
        if line is not None:
            return int(line.split()[1]) << 10
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
