"""Costs from what a store has: only runs of the same recipe count, each step once; the table says what dominates."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from worlds import write_world

from cluster.cost_model import Point
from cluster.workflow.store import Store
from pipelines.align import build
from pipelines.bench.scale.cost import compare
from pipelines.cost import CostOptions, collect, gpus_of, print_costs
from pipelines.cost_probe import probe_stores
from pipelines.home import Home
from pipelines.recipe import load_recipe
from pipelines.runner import RunOptions, run_recipe

FAST = ("aligner=procrustes", "splits.draws=2", "preprocess.pca_dim=null")
HERE = RunOptions(use_ray=False)


def run(folder: Path, home: Path, unpaired: int, *more: str) -> None:
    world = write_world(folder, unpaired=unpaired)
    said = Console(file=io.StringIO())
    assert run_recipe(load_recipe(str(world.recipe), [*FAST, *more]), Home.open(home), HERE, said) == 0


def snapshot(folder: Path) -> dict[str, int]:
    files = (p for p in folder.rglob("*") if p.is_file() and "cache" not in p.parts)
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in files}


@pytest.mark.slow
def test_runs_of_the_same_recipe_at_several_sizes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name, unpaired in (("a", 200), ("b", 400), ("c", 800)):
        run(tmp_path / name, home, unpaired)
    run(tmp_path / "a", home, 200)  # all hits: no new points
    run(tmp_path / "b", home, 400, "pairs_budget=50")  # another recipe
    recipe = load_recipe(str(tmp_path / "b" / "recipe.yaml"), FAST)
    stores = [Store(Home.open(home).store)]
    points = collect(stores, recipe.model_dump(mode="json"))
    assert {p.rows for p in points["shard-left"]} == {700, 1100, 1900}
    assert all(len(of_step) == 3 for of_step in points.values())
    assert all(p.memory is not None and p.memory > 1 << 20 for of_step in points.values() for p in of_step)
    cpu = collect(stores, recipe.model_dump(mode="json"), "cpu_seconds")
    assert 0 < min(p.seconds for p in cpu["fit-contrastive"]) != min(p.seconds for p in points["fit-contrastive"])
    before = snapshot(tmp_path)
    said = io.StringIO()
    print_costs(recipe, Home.open(home), Console(file=said, width=160))
    assert "from runs at 700, 1,100, 1,900 rows" in said.getvalue()
    assert "1e+09 rows:" in said.getvalue() and "of memory" in said.getvalue()
    assert snapshot(tmp_path) == before  # three sizes are enough: nothing runs
    assert collect(stores, load_recipe(str(recipe_of(tmp_path)), ["seed=9"]).model_dump(mode="json")) == {}


def recipe_of(folder: Path) -> Path:
    return folder / "b" / "recipe.yaml"


@pytest.mark.slow
def test_an_empty_store_is_probed_and_left_alone(tmp_path: Path) -> None:
    world = write_world(tmp_path / "w", unpaired=1400)
    recipe, home = load_recipe(str(world.recipe), FAST), Home.open(tmp_path / "home")
    before = snapshot(tmp_path)
    said = io.StringIO()
    print_costs(recipe, home, Console(file=said, width=160), CostOptions(run=HERE, probe_minutes=60))
    text = said.getvalue()
    assert {name: t for name, t in snapshot(tmp_path).items() if not name.startswith("home-probe")} == before
    assert "probe run: 400 rows of each corpus" in text and "with 150 known pairs" in text
    assert "from runs at 800, 1,574, 3,100 rows" in text
    points = collect(probe_stores(home), recipe.model_dump(mode="json"))
    assert all(len(of_step) == 6 for of_step in points.values())  # each size twice
    again = io.StringIO()
    print_costs(recipe, home, Console(file=again, width=160))
    assert "probe run" not in again.getvalue() and "from runs at 800, 1,574, 3,100 rows" in again.getvalue()


def test_gpus_are_those_of_the_steps_that_use_them(tmp_path: Path) -> None:
    world = write_world(tmp_path, unpaired=50)
    on = ["scaling.gpus_per_worker=2", "scaling.gpus_per_encoder=0.25", "compare=[sue]", "spectral.solver=spectralnet"]
    encoders = {"encode-left": 0.25, "encode-right": 0.25}
    cases: tuple[tuple[list[str], dict[str, float]], ...] = (
        (on, encoders | dict.fromkeys(("spectral-left", "spectral-right", "mmd-net"), 2.0)),
        ([*on[:2], "compare=[eigen-cca]"], encoders),
        ([], {}),
    )
    for settings, expected in cases:
        graph = build(load_recipe(str(world.recipe), [*FAST, *settings]), cache_dir=tmp_path / "cache")
        assert gpus_of(graph) == expected


def test_the_comparison_is_of_sizes_that_were_not_fitted() -> None:
    sizes = (100, 200, 400, 4_000)
    points = {
        "linear": [Point(rows=n, seconds=n / 100) for n in sizes],
        "bent": [Point(rows=n, seconds=n / 1e3 if n < 1_000 else 3 * n / 1e3) for n in sizes],
        "tiny": [Point(rows=n, seconds=0.1 if n < 1_000 else 0.2) for n in sizes],
    }
    told = compare(points, sizes[:3], sizes[3:])
    assert set(told["runs"]) == {"4000"} and told["fitted_rows"] == [100, 200, 400]
    assert told["runs"]["4000"]["measured_s"] == pytest.approx(40 + 12 + 0.2)
    assert told["worst_ratio"] == pytest.approx(52.2 / 44.1, rel=0.02)
    assert (told["runs"]["4000"]["worst_step"], told["worst_step_ratio"]) == ("bent", pytest.approx(3, rel=0.02))
    assert told["worst_negligible_s"] == pytest.approx(0.1)
    assert told["runs"]["4000"]["compared_steps"] == 2 and told["dominant_right"]


def test_a_small_step_that_is_taken_for_a_large_one_is_compared() -> None:
    points = {
        "main": [Point(rows=n, seconds=10.0) for n in (100, 200, 400, 4_000)],
        "stops": [Point(rows=n, seconds=n / 100 if n < 1_000 else 0.01) for n in (100, 200, 400, 4_000)],
    }
    assert compare(points, (100, 200, 400), (4_000,))["runs"]["4000"]["worst_step"] == "stops"
