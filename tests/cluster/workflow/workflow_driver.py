"""A driver process for the tests: runs the diamond in process, and dies where it is told to.

    python workflow_driver.py STORE [--trace FILE] [--seconds S] [--gate FILE] [--expiry S]
    python workflow_driver.py FOLDER --die-everywhere

The first prints the run's states as JSON. The second forks a driver for each step and place, and lets it die there:
in FOLDER/<step>-<place>/store, with a trace beside it; it prints how each of them ended.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

from workflow_bodies import make

from cluster.workflow import local_layout
from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.lease import LeaseTiming
from cluster.workflow.owner import Owner
from cluster.workflow.provenance import provenance
from cluster.workflow.step import Step
from cluster.workflow.store import Store

DIAMOND = ("top", "left", "right", "end")
PLACES = ("body", "before-rename", "after-rename")


def diamond(trace: str | None = None, die: str | None = None) -> Graph:
    """top -> left, right -> end. The trace and the place to die are options: they do not enter the keys."""

    def with_options(step: Step) -> Step:
        return replace(step, options={"trace": trace, "die": die})

    top = with_options(make("top", value=1, text="größer 日本語 🙂"))
    left = with_options(make("left", top, value=2))
    right = with_options(make("right", top, value=3))
    return Graph.of(with_options(make("end", left, right, value=4)))


def gated(gate: str, trace: str | None = None) -> Graph:
    """One step that waits for a file."""
    return Graph.of(replace(make("gated", body="waits_for_file"), options={"gate": gate, "trace": trace}))


def slow_chain(seconds: float, trace: str) -> Graph:
    first = replace(make("one", body="slow", seconds=seconds), options={"trace": trace})
    second = replace(make("two", first, body="slow", seconds=seconds), options={"trace": trace})
    return Graph.of(replace(make("three", second, body="slow", seconds=seconds), options={"trace": trace}))


def short_leases(expiry_s: float) -> LeaseTiming:
    return LeaseTiming(heartbeat_s=expiry_s / 5, expiry_s=expiry_s)


def _die_at_rename(step: str, place: str) -> None:
    rename = os.rename

    def deadly(source: str, target: str) -> None:
        publishing = Path(target).parent.name == "objects" and Path(target).name.startswith(f"{step}-")
        if publishing and place == "before-rename":
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)
        if publishing:
            os.kill(os.getpid(), signal.SIGKILL)

    local_layout.os.rename = deadly  # type: ignore[attr-defined]


def die_everywhere(root: Path) -> dict[str, int]:
    """Name of the folder -> signal that ended the driver. Forked: importing takes longer than dying."""
    provenance(), Owner.new()  # once, for all of them
    drivers = {}
    for step in DIAMOND:
        for place in PLACES:
            folder = root / f"{step}-{place}"
            folder.mkdir()
            drivers[folder.name] = os.fork() or _die(folder, step, place)
    return {name: -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for name, pid in drivers.items()}


def _die(folder: Path, step: str, place: str) -> int:
    if place != "body":
        _die_at_rename(step, place)
    graph = diamond(str(folder / "trace"), step if place == "body" else None)
    # one at a time: else a step may have run that is not published yet when we die
    execute(graph, Store.at(folder / "store"), InProcess, max_parallel=1)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path)
    parser.add_argument("--die-everywhere", action="store_true")
    parser.add_argument("--trace")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--gate")
    parser.add_argument("--expiry", type=float, default=20.0)
    args = parser.parse_args()
    if args.die_everywhere:
        print(json.dumps(die_everywhere(args.store)))
        return
    graph = gated(args.gate, args.trace) if args.gate else slow_chain(args.seconds, args.trace)
    result = execute(graph, Store.at(args.store), InProcess, timing=short_leases(args.expiry))
    print(json.dumps({"states": {n: s.state.value for n, s in result.steps.items()}, "error": result.error}))


if __name__ == "__main__":
    main()
