"""The cost model against measured runs: fitted to the small sizes, asked about larger ones (goal: a factor of two)."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from cluster.cost_model import Point, estimate
from cluster.workflow.store import Store
from components.embeddings import Embeddings
from components.files import Folder
from pipelines.cost import collect, fit_all
from pipelines.home import Home
from pipelines.recipe import load_any_recipe
from pipelines.runner import RunOptions, run_recipe

FITTED, ASKED = (1_000, 3_000, 10_000), (30_000, 100_000)
QUICK_FITTED, QUICK_ASKED = (1_000, 2_000, 4_000), (8_000,)
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
    """Runs of one recipe on synthetic corpora, in this process. ``rows``: of both corpora together."""
    fitted, asked = (QUICK_FITTED, QUICK_ASKED) if quick else (FITTED, ASKED)
    with tempfile.TemporaryDirectory(prefix="isthmus-cost-") as scratch:
        points = _run(Path(scratch), (*fitted, *asked))
    return {"cost_model": compare(points, max(fitted))}


def compare(points: Mapping[str, list[Point]], largest: int) -> dict[str, Any]:
    """Fit to the points of at most ``largest`` rows, compare the others. ``worst_ratio`` is that of whole runs, at
    least 1; ``worst_step_ratio`` that of the steps that take a tenth of a run or more."""
    costs = fit_all({name: [p for p in of_step if p.rows <= largest] for name, of_step in points.items()})
    runs: dict[str, Any] = {}
    worst_step, worst = 1.0, 1.0
    for rows in sorted({p.rows for of_step in points.values() for p in of_step if p.rows > largest}):
        took = {name: p.seconds for name, of_step in points.items() for p in of_step if p.rows == rows}
        told, total = estimate(costs, rows), sum(took.values())
        ratios = {name: _ratio(told.seconds[name], s) for name, s in took.items() if s >= total / 10}
        ratio = _ratio(sum(told.seconds.values()), total)
        worst, worst_step = max(worst, ratio), max(worst_step, *ratios.values())
        dominant = max(took, key=lambda name: took[name])
        runs[str(rows)] = {
            "measured_s": total, "estimated_s": sum(told.seconds.values()), "ratio": ratio,
            "dominant": dominant, "dominant_estimated": told.dominant,
        }  # fmt: skip
    return {"worst_ratio": worst, "worst_step_ratio": worst_step, "fitted_up_to_rows": largest, "runs": runs}


def _ratio(a: float, b: float) -> float:
    return max(a, b) / max(min(a, b), 1e-9)


def _run(root: Path, sizes: tuple[int, ...]) -> dict[str, list[Point]]:
    home = Home.open(root / "home")
    for rows in sizes:
        recipe = load_any_recipe(str(_write(root / str(rows), rows // 2)))
        said = io.StringIO()
        if run_recipe(recipe, home, RunOptions(use_ray=False), Console(file=said)):
            raise RuntimeError(said.getvalue())
    return collect(Store(home.store), recipe.model_dump(mode="json"))


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
