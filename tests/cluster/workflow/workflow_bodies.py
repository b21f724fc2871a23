"""Tiny step bodies that the tests of the engine run, here, in subprocesses and on Ray workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.workflow.step import Step, StepContext
from components.errors import UserError

HERE = "workflow_bodies"


def make(name: str, *inputs: Step, body: str = "write", version: str = "1", **config: Any) -> Step:
    """A step of this module; ``config`` is its config."""
    return Step(
        name=name,
        version=version,
        run=f"{HERE}:{body}",
        config=config,
        inputs={f"in-{s.name}": s for s in inputs},
    )


def write(ctx: StepContext) -> dict[str, Any]:
    """A Parquet file with a sum over the inputs, and a trace line outside of the store if ``locations`` has one."""
    trace(ctx)
    if ctx.options.get("die") == ctx.name:
        os.kill(os.getpid(), signal.SIGKILL)
    total = int(ctx.config.get("value", 1))
    for folder in ctx.inputs.values():
        total += int(folder.read_table("data.parquet")["total"][0].as_py())
    ctx.out.write_table("data.parquet", pa.table({"total": [total], "name": [ctx.name]}))
    ctx.out.write_json("sub/about.json", {"name": ctx.name, "text": ctx.config.get("text", "")})
    ctx.progress(1, 1)
    ctx.metric("loss", 0.5, 3)
    ctx.note(f"{ctx.name} says {total}")
    return {"total": total}


def spread(ctx: StepContext) -> dict[str, Any]:
    """Pieces on two nodes, told twice; and none at all."""
    for nodes in ({"n1": 3, "n2": 1}, {"n2": 1}, {}):
        ctx.placed(nodes)
    return write_trace_only(ctx)


def noisy(ctx: StepContext) -> dict[str, Any]:
    """A different output each time."""
    ctx.out.write_bytes("noise.bin", os.urandom(16))
    ctx.out.write_table("data.parquet", pa.table({"total": [1]}))
    return write_trace_only(ctx)


def write_trace_only(ctx: StepContext) -> dict[str, Any]:
    trace(ctx)
    return {}


def trace(ctx: StepContext) -> None:
    """Append the step's name to a file: which bodies ran, how often."""
    path = ctx.options.get("trace") or os.environ.get("ISTHMUS_TEST_TRACE")
    if path:
        with open(path, "a") as file:
            file.write(f"{ctx.name}\n")


def user_error(ctx: StepContext) -> dict[str, Any]:
    trace(ctx)
    raise UserError("row 'a17' has 3 NaN values", where="left.parquet", do="remove it")


def crash(ctx: StepContext) -> dict[str, Any]:
    trace(ctx)
    print("printed before the crash")
    try:
        raise KeyError("inner")
    except KeyError as exc:
        raise RuntimeError("outer") from exc


def leave(ctx: StepContext) -> dict[str, Any]:
    raise SystemExit(3)


def killed(ctx: StepContext) -> dict[str, Any]:
    """Dies ``times`` times (counted in the work folder), then works."""
    marks = sorted(ctx.work.local.glob("died-*"))
    print(f"attempt {len(marks) + 1}", flush=True)
    if len(marks) < int(ctx.config.get("times", 99)):
        ctx.out.write_bytes("half.bin", b"half")
        (ctx.work.local / f"died-{len(marks)}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return write(ctx)


def slow(ctx: StepContext) -> dict[str, Any]:
    trace(ctx)
    time.sleep(float(ctx.config["seconds"]))
    ctx.out.write_table("data.parquet", pa.table({"total": [1]}))
    return {}


def waits_for_file(ctx: StepContext) -> dict[str, Any]:
    """Touches ``<gate>.started``, then waits until the file ``gate`` exists (half a minute at most)."""
    trace(ctx)
    gate = Path(ctx.options["gate"])
    gate.with_suffix(".started").touch()
    until = time.monotonic() + 30
    while not gate.exists() and time.monotonic() < until:
        time.sleep(0.02)
    ctx.out.write_table("data.parquet", pa.table({"total": [1]}))
    return {}


def disk_full(ctx: StepContext) -> dict[str, Any]:
    ctx.out.write_bytes("big.bin", b"x" * int(ctx.config["bytes"]))
    return {}


def facts(ctx: StepContext) -> Any:
    kind = ctx.config["kind"]
    return {
        "numpy": {"a": np.float32(0.5), "b": np.int64(3), "c": float("nan"), "d": float("-inf"), "e": (1, 2)},
        "list": [1],
        "object": {"a": object()},
        "key": {1: 2},
        "huge": {"a": "x" * (300 << 10)},
    }[kind]


def talks(ctx: StepContext) -> dict[str, Any]:
    import logging
    import subprocess

    print("from print")
    logging.getLogger("body").info("from logging")
    subprocess.run(["echo", "from a child process"], check=True)
    return {}


def reads_work(ctx: StepContext) -> dict[str, Any]:
    """Counts attempts in the work folder; fails until there were ``times`` of them."""
    done = len(ctx.work.files())
    ctx.work.write_bytes(f"attempt-{done}", b"")
    if done < int(ctx.config["times"]):
        raise RuntimeError("not yet")
    return {"attempts": done + 1}


def nested_tasks(ctx: StepContext) -> dict[str, Any]:
    """Three tasks of one CPU each, on whatever Ray this is."""
    import ray

    @ray.remote(num_cpus=1)
    def number(value: int) -> int:
        ctx.note(f"task {value}")
        return value

    return {"sum": sum(ray.get([number.remote(n) for n in (1, 2, 3)]))}


def nested_error(ctx: StepContext) -> dict[str, Any]:
    """Fails in a task that it starts."""
    import ray

    @ray.remote
    def fail() -> None:
        raise UserError("row 'a17' has 3 NaN values", where="left.parquet")

    ray.get(fail.remote())
    return {}
