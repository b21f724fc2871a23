"""What the DAG layer itself costs: trivial steps in a chain and side by side, in process and on Ray."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.workflow.executor import DispatcherFactory, execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.step import Facts, Step, StepContext
from cluster.workflow.store import Store


def touch(ctx: StepContext) -> Facts:
    """The body: one small file."""
    ctx.out.write_json("number.json", {"number": ctx.config["number"]})
    return {"number": ctx.config["number"]}


def chain(num_steps: int) -> Graph:
    """Each step reads the one before."""
    step = _step("link", 0)
    for number in range(1, num_steps):
        step = _step("link", number, step)
    return Graph.of(step)


def fan_out(num_steps: int) -> Graph:
    """One step, and all others read it."""
    first = _step("fan", 0)
    return Graph.of(*(_step("fan", number, first) for number in range(1, num_steps)))


def measure(num_steps: int = 20) -> dict[str, Any]:
    """Wall-clock milliseconds a step that a run adds to the work of the bodies, and those of a run in which all hit.

    Ray is started (or used, if this process is connected) and warmed up before the clock runs.

    Returns:
        ``{"steps": n, "inprocess": {"chain_ms": …, "fan_out_ms": …, "chain_hit_ms": …}, "ray": {…}}``
    """
    from cluster.runtime import RaySession
    from cluster.workflow.ray_dispatch import RayDispatcher

    result: dict[str, Any] = {"steps": num_steps, "inprocess": _measure(num_steps, InProcess)}
    with tempfile.TemporaryDirectory() as home, RaySession(home=Path(home)):
        _measure(4, RayDispatcher)
        result["ray"] = _measure(num_steps, RayDispatcher)
    return result


def _measure(num_steps: int, dispatcher: DispatcherFactory) -> dict[str, float]:
    shapes: dict[str, Callable[[int], Graph]] = {"chain": chain, "fan_out": fan_out}
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for shape, build in shapes.items():
            store = Store.at(f"{folder}/{shape}")
            for suffix in ("", "_hit"):
                started = time.perf_counter()
                result = execute(build(num_steps), store, dispatcher)
                wall_s = time.perf_counter() - started
                if not result.ok:
                    raise RuntimeError(result.error)
                own_s = 0.0 if suffix else sum(s.seconds for s in result.steps.values())
                found[f"{shape}{suffix}_ms"] = round(1000 * (wall_s - own_s) / num_steps, 2)
    return found


def _step(shape: str, number: int, *inputs: Step) -> Step:
    return Step(
        name=f"{shape}-{number}",
        version="1",
        run="cluster.workflow.overhead:touch",
        config={"number": number},
        inputs={s.name: s for s in inputs},
    )
