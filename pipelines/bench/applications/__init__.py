"""``isthmus bench applications``: what the shared space is good for, each application with its interval and control.

Each part is a module with ``measure(quick) -> dict`` of some of the keys ``zero_shot``, ``arithmetic``, ``transfer``,
``universality``, ``generation``, ``control``, ``serve``; what two parts say to one key is merged.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PARTS = ("space", "drawings", "generation", "control", "serve")


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All parts, one after another."""
    found: dict[str, Any] = {"quick": quick}
    for part in PARTS:
        found = merged(found, import_module(f"{__name__}.{part}").measure(quick=quick))
    return found


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Both dicts, and of dicts under a common key the same. Raises ValueError where they say different things."""
    found = dict(first)
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = merged(found[key], value)
        elif found.get(key, value) != value:
            raise ValueError(f"two parts measure {key!r}")
        else:
            found[key] = value
    return found
