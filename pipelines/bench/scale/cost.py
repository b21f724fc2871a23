"""The cost model against measured runs: fitted to some sizes, asked about others (goal: a factor of two).

Runs of one recipe on synthetic embeddings, in this process, one thread, each twice; the time that passed
and the CPU time are compared, the least of each size. Where the machine is shared, CPU time tells more.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from cluster.cost_model import Point, best_of, estimate
from cluster.workflow.store import Store
from components.embeddings import Embeddings
from components.files import Folder
from pipelines.cost import CLOCKS, collect, fit_all
from pipelines.home import Home
from pipelines.recipe import load_any_recipe
from pipelines.registry import graph_of
from pipelines.runner import RunOptions, run_untracked

Points = Mapping[str, Sequence[Point]]
# rows of both corpora: what is fitted and what is asked, beyond and within what was fitted
BEYOND = (1_000, 3_000, 10_000), (30_000, 100_000)
WITHIN = (1_000, 10_000, 100_000), (3_000, 30_000)
QUICK_BEYOND, QUICK_WITHIN = ((1_000, 2_000, 4_000), (8_000,)), ((1_000, 4_000, 8_000), (2_000,))
REPEATS = 2
NEGLIGIBLE_S, NEGLIGIBLE_SHARE = 0.5, 0.01
PAIRS, DIM = 300, 64
RECIPE = """
pipeline: align
left:  {source: left.parquet}
right: {source: right.parquet}
pairs: pairs.csv
pairs_budget: 100
aligner: eigen-cca
preprocess: {pca_dim: 32}
spectral: {dim: 16}
splits: {draws: 2}
"""


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``cost_model``: by each clock what :func:`compare` says ``beyond`` and ``within`` the fitted sizes, and the
    points (``measured``); ``worst_ratio`` and ``worst_step_ratio`` are those of all."""
    beyond, within = (QUICK_BEYOND, QUICK_WITHIN) if quick else (BEYOND, WITHIN)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="isthmus-cost-") as scratch:
        stores, recipe = _run(Path(scratch), sorted({*beyond[0], *beyond[1]}), REPEATS)
        for clock in CLOCKS:
            points = collect(stores, recipe, clock)
            found[clock] = {
                "beyond": compare(points, *beyond),
                "within": compare(points, *within),
                "measured": {n: {str(p.rows): p.seconds for p in best_of(of)} for n, of in points.items()},
            }
    compared = [found[clock][where] for clock in CLOCKS for where in ("beyond", "within")]
    worst = {name: max(one[name] for one in compared) for name in ("worst_ratio", "worst_step_ratio")}
    return {"cost_model": worst | found}


def compare(points: Points, fitted: Sequence[int], asked: Sequence[int]) -> dict[str, Any]:
    """Fit to some sizes, compare at others.

    ``worst_ratio`` is that of whole runs, ``worst_step_ratio`` that of single steps, both at least 1. Steps that take,
    measured and estimated, less than half a second and less than a hundredth of the run are compared by difference:
    ``worst_negligible_s``.
    """
    costs = fit_all({name: [p for p in of_step if p.rows in fitted] for name, of_step in points.items()})
    runs: dict[str, Any] = {}
    for rows in asked:
        took = {name: p.seconds for name, of_step in points.items() for p in best_of(of_step) if p.rows == rows}
        runs[str(rows)] = _compared(took, estimate(costs, rows).seconds)
    return {
        "worst_ratio": max(run["ratio"] for run in runs.values()),
        "worst_step_ratio": max(run["step_ratio"] for run in runs.values()),
        "worst_negligible_s": max(run["negligible_s"] for run in runs.values()),
        "dominant_right": all(run["dominant"] == run["dominant_estimated"] for run in runs.values()),
        "fitted_rows": list(fitted),
        "runs": runs,
    }


def _compared(took: Mapping[str, float], told: Mapping[str, float]) -> dict[str, Any]:
    total = sum(took.values())
    counts = [n for n in took if max(took[n], told[n]) >= min(NEGLIGIBLE_S, NEGLIGIBLE_SHARE * total)]
    ratios = {name: _ratio(told[name], took[name]) for name in counts}
    worst = max(ratios, key=lambda name: ratios[name])
    return {
        "measured_s": total,
        "estimated_s": sum(told.values()),
        "ratio": _ratio(sum(told.values()), total),
        "step_ratio": ratios[worst],
        "worst_step": worst,
        "compared_steps": len(counts),
        "negligible_s": max((abs(told[n] - took[n]) for n in took if n not in counts), default=0.0),
        "dominant": max(took, key=lambda name: took[name]),
        "dominant_estimated": max(told, key=lambda name: told[name]),
    }


def _ratio(a: float, b: float) -> float:
    return max(a, b) / max(min(a, b), 1e-9)


def _run(root: Path, sizes: Sequence[int], repeats: int) -> tuple[list[Store], dict[str, Any]]:
    """A store for each repetition, and the recipe that all runs are of."""
    homes = [Home.open(root / f"home-{n}") for n in range(repeats)]
    for rows in sizes:
        recipe = load_any_recipe(str(_write(root / str(rows), rows // 2)))
        for home in homes:
            said = Console(file=io.StringIO())
            result = run_untracked(graph_of(recipe, home), recipe, home, RunOptions(use_ray=False), said)
            if result.error:
                raise RuntimeError(result.error)
    return [Store(home.store) for home in homes], recipe.model_dump(mode="json")


def _write(folder: Path, rows: int) -> Path:
    """Two linear views of one hidden space."""
    rng, ids = np.random.default_rng(rows), [f"i{n:06d}" for n in range(rows)]
    hidden = rng.normal(size=(rows, 12)) + 4 * rng.normal(size=(20, 12))[rng.integers(0, 20, rows)]
    for side in ("left", "right"):
        seen = hidden @ rng.normal(size=(12, DIM)) + 0.5 * rng.normal(size=(rows, DIM))
        Folder.at(folder).write_table(f"{side}.parquet", Embeddings(ids, seen.astype(np.float32)).to_table())
    (folder / "pairs.csv").write_text("left_id,right_id\n" + "".join(f"{i},{i}\n" for i in ids[:PAIRS]))
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder / "recipe.yaml"
