"""Costs from what a store has: only runs of the same recipe count, each step once; the table says what dominates."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from worlds import write_world

from cluster.cost_model import Point
from cluster.workflow.store import Store
from components.errors import UserError
from pipelines.bench.scale.cost import compare
from pipelines.cost import collect, fit_all, print_costs
from pipelines.home import Home
from pipelines.recipe import load_recipe
from pipelines.runner import RunOptions, run_recipe

FAST = ("aligner=procrustes", "splits.draws=2", "preprocess.pca_dim=null")


def run(folder: Path, home: Path, unpaired: int, *more: str) -> None:
    world = write_world(folder, unpaired=unpaired)
    said = Console(file=io.StringIO())
    assert (
        run_recipe(load_recipe(str(world.recipe), [*FAST, *more]), Home.open(home), RunOptions(use_ray=False), said)
        == 0
    )


@pytest.mark.slow
def test_runs_of_the_same_recipe_at_several_sizes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run(tmp_path / "a", home, 200)
    run(tmp_path / "b", home, 400)
    run(tmp_path / "a", home, 200)  # all hits: no new points
    run(tmp_path / "b", home, 400, "seed=3")  # another recipe
    recipe = load_recipe(str(tmp_path / "b" / "recipe.yaml"), FAST)
    store = Store(Home.open(home).store)
    points = collect(store, recipe.model_dump(mode="json"))
    assert {p.rows for p in points["shard-left"]} == {700, 1100}
    assert all(len(of_step) == 2 for of_step in points.values())
    said = Console(file=io.StringIO(), width=160)
    print_costs(recipe, Home.open(home), said)
    text = said.file.getvalue()  # type: ignore[attr-defined]
    assert "from runs at 700, 1,100 rows" in text
    assert "1e+09 rows:" in text
    assert "2 sizes do not tell how steps grow" in text
    with pytest.raises(UserError, match="no finished run of this recipe is in the store"):
        collect(store, load_recipe(str(tmp_path / "b" / "recipe.yaml"), [*FAST, "seed=9"]).model_dump(mode="json"))


def test_the_comparison_is_of_sizes_that_were_not_fitted() -> None:
    sizes = (100, 200, 400, 4_000)
    points = {
        "linear": [Point(rows=n, seconds=n / 100) for n in sizes],
        "bent": [Point(rows=n, seconds=n / 1e4 if n < 1_000 else 3 * n / 1e4) for n in sizes],
    }
    told = compare(points, 400)
    assert set(told["runs"]) == {"4000"}
    assert told["runs"]["4000"]["measured_s"] == pytest.approx(40 + 1.2)
    assert told["worst_ratio"] == pytest.approx(41.2 / 40.4, rel=0.02)
    assert told["worst_step_ratio"] == pytest.approx(1.0, rel=0.02)  # `bent` takes less than a tenth
    assert fit_all(points)["linear"].law == "n"
