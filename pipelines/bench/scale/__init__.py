"""``isthmus bench scale``: sweeps, jobs, drivers side by side and the cost model. Each part is a module of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Each has measure(quick=...) -> some of the bench's keys.
PARTS = ("sweep", "submit", "cost", "drivers")


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All parts, one after the other: each wants the machine for itself."""
    found: dict[str, Any] = {}
    for name in PARTS:
        found |= import_module(f"{__name__}.{name}").measure(quick=quick)
    return found
