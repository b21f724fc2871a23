"""Sweeps on Ray Tune: Ray Train inside trials on two CPUs, early stopping by epochs, and a driver that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from encoder_worlds import write_texts
from rich.console import Console
from worlds import World, write_world

from cluster.workflow.store import Store
from pipelines.home import Home
from pipelines.search_space import base_recipe, load_search
from pipelines.sweep import SweepOptions, sweep_and_print

MakeHome = Callable[[Path], Path]
RECIPE = {
    "pipeline": "encode-texts",
    "objective": {"name": "info-nce"},
    "model": {"vocabulary": 400, "max_tokens": 16, "width": 16, "layers": 1, "heads": 2},
    "head": {"hidden": 32, "dim": 16},
    "training": {"batch": 16, "epochs": 6, "warmup": 0.0, "stop": "never"},
    "scaling": {"workers": 2},
}
TRAINED = """
space: {training.learning_rate: {choice: [1.0e-2, 1.0e-8]}}
metric: known.best_validation_loss
mode: min
scheduler: asha
watch: {metric: validation_loss, mode: min, grace: 2}
"""
LIGHT = "set: {compare: []}\nspace: {preprocess.pca_dim: {choice: [4, 5, 6, 7, 8, 9, 10, 11]}}\n"


def numbers(home: Path) -> dict[str, Any]:
    return json.loads((Home.open(home).results("recipe") / "sweep" / "sweep.json").read_text())


@pytest.mark.ray
@pytest.mark.slow
def test_trials_that_train_on_all_cpus_do_not_wait_for_each_other_and_hopeless_ones_stop(
    ray_cluster: None, tmp_path: Path, make_home: MakeHome
) -> None:
    """Two workers of one CPU each on two CPUs: nothing may be reserved by the trials themselves."""
    home, texts = make_home(tmp_path / "home"), write_texts(tmp_path / "world", 160)
    (tmp_path / "recipe.yaml").write_text(json.dumps({**RECIPE, "corpus": {"source": str(texts)}}))
    (tmp_path / "space.yaml").write_text(TRAINED)
    search = load_search(str(tmp_path / "space.yaml"))
    base = base_recipe(str(tmp_path / "recipe.yaml"), search, [])
    code, text = sweep(base, search, home, use_ray=True)
    assert code == 0, text
    states = [t["state"] for t in numbers(home)["trials"]]
    assert states == ["done", "stopped"], text
    made = [name.rpartition("-")[0] for name in Store(Home.open(home).store).outputs()]
    assert (made.count("prepare"), made.count("train"), made.count("probe")) == (1, 1, 1)
    assert not list((home / "store" / "work").glob("tune-*")), "what Tune writes is not kept"
    code, text = sweep(base, search, home, use_ray=True)
    assert code == 0 and "for trial" not in text and [t["state"] for t in numbers(home)["trials"]] == states


def sweep(base: Any, search: Any, home: Path, **options: Any) -> tuple[int, str]:
    console = Console(record=True, width=160, file=open(os.devnull, "w"))
    code = sweep_and_print(base, search, Home.open(home), SweepOptions(full=False, **options), console)
    return code, console.export_text()


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_sweep_keeps_its_finished_trials(tmp_path: Path, make_home: MakeHome) -> None:
    world, home = write_world(tmp_path / "world"), make_home(tmp_path / "home")
    (tmp_path / "space.yaml").write_text(LIGHT)
    first = start(world, home, tmp_path / "space.yaml")
    try:
        wait_for(lambda: len(scores(home)) >= 2, first)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    kept = scores(home)
    assert 2 <= len(kept) < 8, "killed in the middle"
    second = start(world, home, tmp_path / "space.yaml")
    out, _ = second.communicate(timeout=240)
    assert second.returncode == 0, out
    found = numbers(home)
    assert found["states"]["done"] == 8 and found["reused"] >= len(kept)
    assert out.count("from the store") == found["reused"]
    assert {n: t for n, t in scores(home).items() if n in kept} == kept, "none of them was made again"


def scores(home: Path) -> dict[str, float]:
    """Results of trials in the store, and when each was made."""
    return {n: t for n, t in Store(Home.open(home).store).outputs().items() if n.startswith("trial-scores")}


def start(world: World, home: Path, space: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines.cli", "tune", str(world.recipe), "--home", str(home)]
    return subprocess.Popen(
        [*command, "--space", str(space), "--no-full", "--concurrent", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 240.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.1)
