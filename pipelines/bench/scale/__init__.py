"""``isthmus bench scale``: sweeps, jobs, drivers side by side and the cost model. Each part is a module of its own."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

# Each has measure(quick=...) -> some of the bench's keys; a part that is not installed is left out.
PARTS = ("sweep", "submit", "cost", "drivers")


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All parts, one after the other: each wants the machine for itself."""
    found: dict[str, Any] = {}
    for name in PARTS:
        module = f"{__name__}.{name}"
        if find_spec(module) is not None:
            found |= import_module(module).measure(quick=quick)
    return found
