"""Three small corpora of embeddings joined by a Gaussian B, written as a user would bring them; the truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from typer.testing import CliRunner
from worlds import write_embeddings, write_pairs

from cluster.workflow.store import Store
from components.files import Folder
from pipelines.cli import app
from pipelines.home import Home
from pipelines.recipe import load_any_recipe
from pipelines.runner import RunOptions, run_recipe

RECIPE = """
pipeline: bridge
a: {source: a.parquet}
b: {source: b.parquet}
c: {source: c.parquet}
names: {a: image, b: en, c: ja}
pairs: {ab: ab.csv, bc: bc.csv}
budgets: {ab: 60, bc: 60}
truth: truth.parquet
splits: {draws: 2, heldout_max: 40}
critics: {aligners: [ridge-cca], train: none}
estimators: [direct, monte-carlo]
bridge: {sizes: [20, 60]}
seed: 0
"""
DIMS = {"a": 9, "b": 6, "c": 8}
NOISE = 0.3


@dataclass(frozen=True)
class BridgeWorld:
    """Files and rows; item n of every side is ``<side><n>``."""

    folder: Path
    recipe: Path
    rows: dict[str, np.ndarray]


def write_bridge_world(folder: Path, *, items: int = 300, recipe: str = RECIPE, seed: int = 0) -> BridgeWorld:
    """A and C are noisy linear views of B; all pairs of both edges are known, so that A–C pairs follow."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    b = rng.normal(size=(items, DIMS["b"]))
    maps = {side: rng.normal(size=(DIMS["b"], DIMS[side])) / 2 for side in "ac"}
    rows = {"b": b, **{s: b @ m + NOISE * rng.normal(size=(items, DIMS[s])) for s, m in maps.items()}}
    for side, x in rows.items():
        write_embeddings(folder / f"{side}.parquet", {f"{side}{n}": x[n].astype(np.float32) for n in range(items)})
    for edge in ("ab", "bc"):
        write_pairs(folder / f"{edge}.csv", [(f"{edge[0]}{n}", f"{edge[1]}{n}") for n in range(items)])
    _write_truth(folder, rows, maps)
    path = folder / "recipe.yaml"
    path.write_text(recipe)
    return BridgeWorld(folder, path, rows)


def _write_truth(folder: Path, rows: dict[str, np.ndarray], maps: dict[str, np.ndarray]) -> None:
    """log p(c|a) / p(c) of every pair: both are Gaussian."""
    cov = {s: m.T @ m + NOISE**2 * np.eye(m.shape[1]) for s, m in maps.items()}
    cross = maps["a"].T @ maps["c"]
    gain = np.linalg.solve(cov["a"], cross)
    inner = cov["c"] - cross.T @ gain
    mean = rows["a"] @ gain
    c = rows["c"]
    quadratic = np.einsum("nkd,de,nke->nk", c[None] - mean[:, None], np.linalg.inv(inner), c[None] - mean[:, None])
    log_ratio = -0.5 * quadratic + 0.5 * np.einsum("kd,de,ke->k", c, np.linalg.inv(cov["c"]), c)
    n, k = np.indices(log_ratio.shape).reshape(2, -1)
    columns = {"left_id": [f"a{i}" for i in n], "right_id": [f"c{i}" for i in k], "log_ratio": log_ratio.reshape(-1)}
    pd.DataFrame(columns).to_parquet(folder / "truth.parquet")


def run(world: BridgeWorld, home: Path, *overrides: str, use_ray: bool = False) -> tuple[int, str]:
    """Exit code and what was printed."""
    console = Console(record=True, width=160, file=open("/dev/null", "w"))
    options = RunOptions(use_ray=use_ray, metrics_out=home / "metrics.json")
    code = run_recipe(load_any_recipe(str(world.recipe), overrides), Home.open(home), options, console)
    return code, console.export_text()


def metrics_of(home: Path) -> dict[str, Any]:
    return json.loads((home / "metrics.json").read_text())


def folder_of(home: Path, step: str) -> Folder:
    store = Store(Home.open(home).store)
    record = store.read_run(store.run_ids()[-1])
    folder = store.folder_of(f"{step}-{record['steps'][step]['key'][:16]}")
    assert folder is not None
    return folder


def search(home: Path, *args: str) -> str:
    result = CliRunner().invoke(app, ["search", *args, "--home", str(home)], env={"COLUMNS": "200"})
    return f"{result.exit_code} {result.output} {result.exception or ''}"
