"""``pairs_selection`` in a whole run, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from worlds import World, write_world

from components.errors import UserError
from pipelines.align import build
from pipelines.home import Home
from pipelines.recipe import load_recipe
from pipelines.runner import RunOptions, run_recipe

MakeHome = Callable[[Path], Path]
FAST = ["compare=[]", "splits.draws=3", "pairs_budget=20"]
RANDOM = "kernel-ridge (random pairs)"


def run(world: World, home: Path, how: str) -> tuple[dict[str, Any], str]:
    console = Console(record=True, width=160, file=open("/dev/null", "w"))
    options = RunOptions(use_ray=False, metrics_out=home / f"{how}.json")
    recipe = load_recipe(str(world.recipe), [*FAST, f"pairs_selection={how}"])
    assert run_recipe(recipe, Home.open(home), options, console) == 0, console.export_text(clear=False)
    return json.loads((home / f"{how}.json").read_text()), console.export_text()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[World, Path]:
    root = tmp_path_factory.mktemp("selection")
    return write_world(root / "world"), make_home(root / "home")


def test_the_table_shows_what_the_choice_is_worth(done: tuple[World, Path]) -> None:
    plain, _ = run(*done, "random")
    chosen, text = run(*done, "coverage")
    assert plain["pairs"]["selection"] == "random" and RANDOM not in plain["retrieval"]
    assert chosen["pairs"]["selection"] == "coverage" and "20 known pairs chosen by coverage" in text
    assert chosen["retrieval"][RANDOM] == plain["retrieval"]["kernel-ridge"]
    assert (
        chosen["retrieval"]["kernel-ridge"]["mean"]["foscttm"] != plain["retrieval"]["kernel-ridge"]["mean"]["foscttm"]
    )
    assert chosen["pairs"]["draws"] == 3 and chosen["pairs"]["pairs"] == 20
    report = (Home.open(done[1]).results("recipe") / "report.html").read_text()
    assert "Kernel ridge (random pairs)" in report and "pairs are chosen by coverage" in report


def test_sequential_choice_runs_too(done: tuple[World, Path]) -> None:
    assert run(*done, "sequential")[0]["pairs"]["selection"] == "sequential"


def test_only_a_choice_waits_for_embeddings(done: tuple[World, Path], tmp_path: Path) -> None:
    def graph(*overrides: str) -> Any:
        return build(load_recipe(str(done[0].recipe), [*FAST, *overrides]), cache_dir=tmp_path)

    plain, chosen = graph(), graph("pairs_selection=coverage")
    assert "select" not in plain.steps and plain.inputs_of("fit-ridge-cca") == {"encode-left", "encode-right", "pairs"}
    assert set(chosen.steps) - set(plain.steps) == {"select", "fit-kernel-ridge-random-pairs"}
    assert chosen.inputs_of("fit-ridge-cca") == {"encode-left", "encode-right", "select"}
    assert chosen.inputs_of("fit-kernel-ridge-random-pairs") == {"encode-left", "encode-right", "pairs"}
    assert chosen.keys["pairs"] == plain.keys["pairs"]


def test_a_choice_of_all_pairs_is_refused() -> None:
    with pytest.raises(UserError, match="coverage chooses pairs_budget pairs: set pairs_budget"):
        load_recipe("emoji", ["pairs_selection=coverage", "pairs_budget=null"])
    with pytest.raises(UserError, match="'pairs_selection'"):
        load_recipe("emoji", ["pairs_selection=best"])
