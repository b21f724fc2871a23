"""Probe runs: which sizes, which rows and pairs, where they are kept, and what is too small for them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from worlds import write_world

from cluster.workflow.results import RunResult
from components.errors import UserError
from pipelines import cost_probe
from pipelines.cost_probe import ladder, probe, probe_home
from pipelines.home import Home
from pipelines.recipe import Recipe, load_any_recipe
from pipelines.runner import RunOptions


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Home]]:
    """Recipes and homes of what would have been run."""
    runs: list[tuple[Any, Home]] = []

    def record(build: Any, recipe: Recipe, home: Home, options: RunOptions, console: Console) -> RunResult:
        runs.append((recipe, home))
        return RunResult(run_id="r", steps={}, seconds=0.0)

    monkeypatch.setattr(cost_probe, "run_untracked", record)
    return runs


def said() -> Console:
    return Console(file=io.StringIO())


def test_sizes() -> None:
    assert ladder(100_000, smallest=400) == (400, 1600, 6400, 25_600)
    assert ladder(1914, smallest=400) == (400, 875, 1914)
    with pytest.raises(UserError, match=r"too small for .* three sizes: 1,199 rows, at least 1,200"):
        ladder(1199, smallest=400)


def test_parts_have_the_pairs_and_grow(tmp_path: Path, recorded: list[tuple[Any, Home]]) -> None:
    world = write_world(tmp_path / "w", unpaired=1400)
    home = Home.open(tmp_path / "home")
    done = probe(load_any_recipe(str(world.recipe)), home, RunOptions(), said(), budget_s=60)
    assert (done.sizes, done.num_pairs) == ((400, 787, 1550), 150)
    assert len(recorded) == 6
    tables = {recipe.left.source: pq.read_table(recipe.left.source)["id"].to_pylist() for recipe, _ in recorded}
    assert sorted(map(len, tables.values())) == [400, 787, 1550]
    for recipe, place in recorded:
        known, heldout = pq.read_table(recipe.pairs).to_pylist(), pq.read_table(recipe.heldout).to_pylist()
        assert (len(known), len(heldout)) == (90, 60)
        assert {p["left_id"] for p in known + heldout} <= set(tables[recipe.left.source])
        assert place.path == probe_home(home).path == tmp_path / "home-probe"
        assert place.store.local.parent == place.path and not place.path.is_relative_to(home.path)
    assert {place.store.local.name for _, place in recorded} == {"store", "store-again"}


def test_time_decides_how_far_it_goes(
    tmp_path: Path, recorded: list[tuple[Any, Home]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100_000, 10))  # each look at the clock takes ten seconds
    monkeypatch.setattr(cost_probe.time, "monotonic", lambda: float(next(clock)))
    world = write_world(tmp_path / "w", unpaired=1400)
    done = probe(load_any_recipe(str(world.recipe)), Home.open(tmp_path / "home"), RunOptions(), said(), budget_s=1)
    assert done.sizes == (400,) and len(recorded) == 1


def test_an_encoder_is_probed_without_pairs(tmp_path: Path, recorded: list[tuple[Any, Home]]) -> None:
    done = probe(load_any_recipe("encode-texts"), Home.open(tmp_path / "home"), RunOptions(), said(), budget_s=60)
    assert done.num_pairs == 0 and done.sizes[0] == 400
    assert pq.read_table(recorded[0][0].corpus.source).num_rows == 400


def test_what_cannot_be_probed_says_so(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    small = write_world(tmp_path / "w", unpaired=300)
    with pytest.raises(UserError, match="too small for probe runs"):
        probe(load_any_recipe(str(small.recipe)), home, RunOptions(), said(), budget_s=60)
    with pytest.raises(UserError, match="of align and encode recipes, not of bridge"):
        probe(load_any_recipe("bridge-emoji"), home, RunOptions(), said(), budget_s=60)
    assert not probe_home(home).path.exists()
