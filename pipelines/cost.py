"""``isthmus plan --cluster``: what a recipe will cost at other sizes, from runs of it at several sizes.

These are runs in the store, and short ones on parts of the corpora (:mod:`pipelines.cost_probe`) that are made if the
store has fewer than three sizes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from cluster.cost_model import Estimate, Point, StepCost, estimate, fit_step
from cluster.workflow.graph import Graph
from cluster.workflow.keys import flatten, object_name
from cluster.workflow.manifest import Manifest
from cluster.workflow.step import Step
from cluster.workflow.store import Store
from pipelines.cost_probe import SIZES as ENOUGH
from pipelines.cost_probe import probe, probe_home, probe_stores
from pipelines.home import Home
from pipelines.recipe import Recipe
from pipelines.registry import graph_of
from pipelines.runner import RunOptions

Clock = Literal["seconds", "cpu_seconds"]
CLOCKS: tuple[Clock, ...] = ("seconds", "cpu_seconds")
SIZES = (1e6, 1e8, 1e9)
# what may differ between a run that counts and the real thing: which data, and where it runs
_FREE = ("name", "pairs", "heldout", "oracle", "truth", "scaling")
_FREE_OF_SOURCES = ("source", "path")


@dataclass(frozen=True, kw_only=True)
class CostOptions:
    """As in ``isthmus plan --help``. ``run``: how probe runs are made."""

    probe: bool = False
    probe_minutes: float = 5.0
    run: RunOptions = field(default_factory=RunOptions)


def print_costs(recipe: Recipe, home: Home, console: Console, options: CostOptions | None = None) -> None:
    """A table of steps: law, hours and memory at 10^6, 10^8 and 10^9 rows; and what dominates.

    Raises:
        UserError: probe runs are needed and cannot be made.
    """
    chosen = options or CostOptions()
    points = _points(recipe, home)
    if chosen.probe or len(_sizes(points)) < ENOUGH:
        done = probe(recipe, home, chosen.run, console, budget_s=60 * chosen.probe_minutes)
        told = f"probe runs took {done.seconds:,.0f} s, with {done.num_pairs:,} known pairs; they are in"
        console.print(f"{told} {probe_home(home).path}", markup=False, soft_wrap=True)
        points = _points(recipe, home)
    costs = fit_all(points)
    estimates = [estimate(costs, rows) for rows in SIZES]
    sizes = _sizes(points)
    console.print(f"from runs at {', '.join(f'{n:,}' for n in sizes)} rows (of all corpora together)")
    console.print(_table(costs, estimates))
    gpus = gpus_of(graph_of(recipe, home)(cache_dir=home.cache, engine="ray"))
    for one in estimates:
        console.print(_sentence(one, gpus), soft_wrap=True)
    if len(sizes) < ENOUGH:
        told = "One size does" if len(sizes) == 1 else f"{len(sizes)} sizes do"
        console.print(f"{told} not tell how steps grow; allow more time with --probe-minutes")


def collect(stores: Iterable[Store], recipe: Mapping[str, Any], clock: Clock = "seconds") -> dict[str, list[Point]]:
    """Step -> its points, from all finished runs of a recipe that differs in its data and its scaling only.

    ``clock``: time that passed, or CPU time of the body's process, which other work on the machine does not lengthen.
    """
    points = defaultdict(list)
    for store in stores:
        for (name, _), (manifest, rows) in _made(store, recipe).items():
            points[name].append(_point(manifest, rows, clock))
    return dict(points)


def fit_all(measured: Mapping[str, list[Point]]) -> dict[str, StepCost]:
    """The law of each step."""
    return {name: fit_step(name, points) for name, points in measured.items()}


def gpus_of(graph: Graph) -> dict[str, float]:
    """GPUs of each worker, of the steps that the scaling block puts on GPUs."""
    found = {name: _gpus(step) for name, step in graph.steps.items()}
    return {name: gpus for name, gpus in found.items() if gpus}


def _points(recipe: Recipe, home: Home) -> dict[str, list[Point]]:
    return collect([Store(home.store), *probe_stores(home)], recipe.model_dump(mode="json"))


def _sizes(points: Mapping[str, list[Point]]) -> list[int]:
    return sorted({p.rows for of_step in points.values() for p in of_step})


def _made(store: Store, recipe: Mapping[str, Any]) -> dict[tuple[str, str], tuple[Manifest, int]]:
    """(step, key) -> its manifest, and the rows of all corpora of its run."""
    found: dict[tuple[str, str], tuple[Manifest, int]] = {}
    for run_id in store.run_ids():
        record = store.read_run(run_id)
        if record.get("state") != "DONE" or not _same(record.get("recipe") or {}, recipe):
            continue
        keys = {name: step["key"] for name, step in record["steps"].items()}
        made = {name: store.read(object_name(name, key)) for name, key in keys.items() if (name, key) not in found}
        rows = sum(int(s["facts"].get("rows", 0)) for n, s in record["steps"].items() if n.startswith("shard-"))
        found |= {(n, keys[n]): (manifest, rows) for n, manifest in made.items() if manifest is not None and rows}
    return found


def _point(manifest: Manifest, rows: int, clock: Clock) -> Point:
    """Seconds of one worker. The memory of a step whose work was done by workers of Ray is not that of its body."""
    workers = manifest.options.get("workers") or manifest.options.get("actors") or 1
    elsewhere = manifest.options.get("engine") == "ray" and not manifest.resources.get("cpus")
    return Point(
        rows=rows,
        seconds=max(float(manifest.made.get(clock, 0.0)), 1e-3) * int(workers),
        bytes=manifest.num_bytes,
        memory=None if elsewhere else manifest.made.get("peak_bytes"),
    )


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    a, b = flatten(before), flatten(now)
    return all(a.get(key) == b.get(key) for key in {*a, *b} if not _free(key))


def _free(key: str) -> bool:
    parts = key.split(".")
    return parts[0] in _FREE or parts[-1] in _FREE_OF_SOURCES


def _gpus(step: Step) -> float:
    """Of a worker of Ray Train, of an encoding actor, or of the step itself."""
    if "gpus_per_actor" in step.options:
        return float(step.options["gpus_per_actor"] or 0)
    trains = step.options.get("by_train", "gpus_per_worker" in step.options)
    return float(step.options["gpus_per_worker"] if trains else step.resources.gpus)


def _table(costs: Mapping[str, StepCost], estimates: Iterable[Estimate]) -> Table:
    told = list(estimates)
    ends = [f"{one.rows:.0e}".replace("e+0", "0^") for one in told]
    table = Table(
        "step", "grows as", *(f"hours {end}" for end in ends), "bytes a row", f"GB {ends[0]}", "off by", box=None
    )
    for name, cost in costs.items():
        times = (f"{one.seconds[name] / 3600:,.2f}" for one in told)
        memory = f"{cost.memory.at(told[0].rows) / 1e9:,.1f}" if cost.memory else "?"
        table.add_row(name, cost.law, *times, f"{cost.bytes.each:,.0f}", memory, f"{cost.worst:.2f}×")
    return table


def _sentence(one: Estimate, gpus: Mapping[str, float]) -> str:
    """GPU-hours are worker-hours at the speed of the measured workers, times the GPUs of each."""
    hours = sum(one.seconds[name] * count for name, count in gpus.items() if name in one.seconds) / 3600
    share = one.seconds[one.dominant] / sum(one.seconds.values())
    on_gpus = f", {hours:,.1f} GPU-hours if GPUs were as fast as the workers that were measured" if gpus else ""
    hungry = max(one.memory, key=lambda name: one.memory[name], default=None)
    memory = f"; {hungry} takes {one.memory[hungry] / 1e9:,.1f} GB of memory" if hungry else ""
    return (
        f"{one.rows:.0e} rows: {one.hours:,.1f} worker-hours{on_gpus}, {one.bytes / 1e9:,.1f} GB of outputs; "
        f"{one.dominant} takes {share:.0%} of the time{memory}"
    )
