"""``isthmus plan --cluster``: what a recipe will cost at other sizes, from the runs of it that are in the store.

A probe is a run of the same recipe on a part of the corpora, in the same store; three sizes tell how each step grows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.cost_model import Estimate, Point, StepCost, estimate, fit_step
from cluster.workflow.keys import flatten, object_name
from cluster.workflow.manifest import Manifest
from cluster.workflow.store import Store
from components.errors import UserError
from pipelines.home import Home
from pipelines.recipe import Recipe

SIZES = (1e6, 1e8, 1e9)
# what may differ between a probe and the real thing: which data, and where it runs
_FREE = ("name", "pairs", "heldout", "left.source", "right.source", "source", "scaling.")


def print_costs(recipe: Recipe, home: Home, console: Console) -> None:
    """A table of steps: law, hours and share of the disk at 10^6, 10^8 and 10^9 rows; and what dominates.

    Raises:
        UserError: the store has no run of this recipe.
    """
    measured = collect(Store(home.store), recipe.model_dump(mode="json"))
    costs = fit_all(measured)
    told = [estimate(costs, rows) for rows in SIZES]
    sizes = sorted({p.rows for points in measured.values() for p in points})
    console.print(f"from runs at {', '.join(f'{n:,}' for n in sizes)} rows (of all corpora together)")
    table = Table("step", "grows as", *(f"hours at {rows:.0e}" for rows in SIZES), "bytes a row", "off by", box=None)
    for name, cost in costs.items():
        hours = (f"{e.seconds[name] / 3600:,.2f}" for e in told)
        table.add_row(name, cost.law, *hours, f"{cost.bytes_per_row:,.0f}", f"{cost.worst:.2f}×")
    console.print(table)
    for one in told:
        console.print(_sentence(one, costs, recipe.model_dump(mode="json").get("scaling") or {}), soft_wrap=True)
    if len(sizes) < 3:
        console.print(f"{len(sizes)} sizes do not tell how steps grow; run the recipe on parts of three sizes first")


def collect(store: Store, recipe: Mapping[str, Any]) -> dict[str, list[Point]]:
    """Step -> its points, from all finished runs of a recipe that differs in its data and its scaling only.

    Raises:
        UserError: there is none.
    """
    found: dict[tuple[str, str], Point] = {}
    for run_id in store.run_ids():
        record = store.read_run(run_id)
        if record.get("state") != "DONE" or not _same(record.get("recipe") or {}, recipe):
            continue
        keys = {name: step["key"] for name, step in record["steps"].items()}
        made = {name: store.read(object_name(name, key)) for name, key in keys.items() if (name, key) not in found}
        rows = sum(int(s["facts"].get("rows", 0)) for n, s in record["steps"].items() if n.startswith("shard-"))
        found |= {
            (name, keys[name]): Point(rows=rows, seconds=_seconds(manifest), bytes=manifest.num_bytes)
            for name, manifest in made.items()
            if manifest is not None and rows
        }
    if not found:
        do = "run it on a part of the corpora (three sizes are best), in this store, then ask again"
        raise UserError("no finished run of this recipe is in the store", where=store.root.path, do=do)
    points = defaultdict(list)
    for (name, _), point in found.items():
        points[name].append(point)
    return dict(points)


def fit_all(measured: Mapping[str, list[Point]]) -> dict[str, StepCost]:
    """The law of each step."""
    return {name: fit_step(name, points) for name, points in measured.items()}


def _seconds(manifest: Manifest) -> float:
    """Of one worker."""
    workers = manifest.options.get("workers") or manifest.options.get("actors") or 1
    return max(float(manifest.made.get("seconds", 0.0)), 1e-3) * int(workers)


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    a, b = flatten(before), flatten(now)
    return all(a.get(k) == b.get(k) for k in {*a, *b} if not k.startswith(_FREE))


def _sentence(one: Estimate, costs: Mapping[str, StepCost], scaling: Mapping[str, Any]) -> str:
    """GPU-hours are those of steps that the scaling block puts on GPUs, at the speed of the probe's workers."""
    prefixes: tuple[str, ...] = ("encode-",) if scaling.get("gpus_per_encoder") else ()
    prefixes += ("encode-", "spectral-", "mmd-", "teacher-", "train-") if scaling.get("gpus_per_worker") else ()
    gpu = sum(one.seconds[n] for n in costs if n.startswith(prefixes)) / 3600 if prefixes else 0.0
    share = one.seconds[one.dominant] / sum(one.seconds.values())
    on_gpus = f", {gpu:,.1f} worker-hours of it on GPUs (at the probe's speed)" if gpu else ""
    return (
        f"{one.rows:.0e} rows: {one.hours:,.1f} CPU-hours{on_gpus}, {one.bytes / 1e9:,.1f} GB of outputs; "
        f"{one.dominant} takes {share:.0%}"
    )
