"""LUCL's mazes: does summing over the states that a command could mean beat the plug-in choice?"""

from __future__ import annotations

from typing import Any

from pipelines.steps.control import measure_layout

FULL: dict[str, Any] = {
    "layouts": ("fork", "island", "blank"),
    "seeds": tuple(range(10)),
    "sizes": (10, 30, 100, 300, 1000),
}
QUICK: dict[str, Any] = {"layouts": ("fork",), "seeds": (0, 1, 2), "sizes": (10, 100)}


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``{"control": {maze: {"direct", "lse", "averaged_states", "random", "gain", "curve"}}}``, means with intervals
    over seeds. Quick: one maze."""
    config = QUICK if quick else FULL
    return {"control": {layout: measure_layout(layout, config) for layout in config["layouts"]}}
