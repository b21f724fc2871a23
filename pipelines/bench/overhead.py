"""``isthmus bench overhead``: what the DAG layer costs a step, beside the step's own work."""

from __future__ import annotations

from typing import Any

NUM_STEPS = 20


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Trivial steps in a chain and in a fan, in this process and on a local Ray. Milliseconds a step."""
    from cluster.workflow.overhead import measure as measure_engine

    return measure_engine(NUM_STEPS // 2 if quick else NUM_STEPS)
