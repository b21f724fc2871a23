"""The same graph on Ray: same results as in one process, and the same command goes on after a crash."""

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
from rich.console import Console
from worlds import World, write_world

from cluster.workflow.store import Store
from pipelines.home import Home
from pipelines.inspect import print_step
from pipelines.recipe import load_recipe
from pipelines.runner import RunOptions, run_recipe

MakeHome = Callable[[Path], Path]
SETTINGS = [
    "aligner=sue",
    "spectral.solver=spectralnet",
    "spectral.spectralnet.widths=[32,32]",
    "spectral.spectralnet.epochs=3",
    "spectral.spectralnet.batch=128",
    "mmd.epochs=2",
    "mmd.widths=[16]",
    "cca.dim=4",
    "splits.draws=2",
]


def metrics_of(world: World, home: Path, *more: str, use_ray: bool) -> dict[str, Any]:
    console = Console(record=True, width=160, file=open(os.devnull, "w"))
    options = RunOptions(use_ray=use_ray, metrics_out=home / "metrics.json")
    code = run_recipe(load_recipe(str(world.recipe), [*SETTINGS, *more]), Home.open(home), options, console)
    assert code == 0, console.export_text()
    return json.loads((home / "metrics.json").read_text())


@pytest.mark.ray
@pytest.mark.slow
def test_ray_and_one_process_agree(ray_cluster: None, tmp_path: Path, make_home: MakeHome) -> None:
    world = write_world(tmp_path / "world")
    more = ("compare=[auto]", "auto.candidates=[procrustes, kernel-ridge, fused-csa]")
    on_ray, alone = (
        metrics_of(world, make_home(tmp_path / name), *more, use_ray=name == "ray") for name in ("ray", "alone")
    )
    methods = {"sue", "auto", "ridge-cca", "procrustes", "kernel-ridge", "contrastive", "chance"}
    assert set(on_ray["retrieval"]) == methods
    assert on_ray["auto"]["chosen"] == alone["auto"]["chosen"]
    for method, score in alone["retrieval"].items():
        # closed forms agree exactly; trained nets up to the order of float32 sums, which can flip a few of 120 ranks
        tolerance = 3.0 if method in {"sue", "contrastive"} else 1e-6
        assert on_ray["retrieval"][method]["mean"]["R@10"] == pytest.approx(score["mean"]["R@10"], abs=tolerance)
    assert "pieces      2 on " in shown("shard-left", tmp_path / "ray")  # read once, written once
    assert "pieces" not in shown("shard-left", tmp_path / "alone")


def shown(step: str, home: Path) -> str:
    console = Console(record=True, width=160, file=open(os.devnull, "w"))
    print_step(step, Home.open(home), console)
    return console.export_text()


def start(world: World, home: Path) -> subprocess.Popen[str]:
    settings = [arg for s in SETTINGS for arg in ("--set", s)]
    command = [sys.executable, "-m", "pipelines.cli", "run", str(world.recipe), "--home", str(home), *settings]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def steps_run(home: Path) -> list[set[str]]:
    """Names of the steps that really ran, run by run, from what the store says made each output."""
    store = Store(Home.open(home).store)
    records = [store.read_run(r) for r in store.run_ids()]
    return [{n for n, s in r["steps"].items() if s.get("state") == "RAN"} for r in records]


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_driver_loses_only_what_was_unfinished(tmp_path: Path, make_home: MakeHome) -> None:
    world, home = write_world(tmp_path / "world"), make_home(tmp_path / "home")
    first = start(world, home)
    finished: set[str] = set()
    assert first.stdout is not None
    for line in first.stdout:
        if " done in " in line:
            finished.add(line.split("]")[1].split()[0])
        if "cca" in finished or len(finished) >= 8:
            first.send_signal(signal.SIGKILL)
            break
    first.wait(timeout=60)
    time.sleep(1)
    second = start(world, home)
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    ran = steps_run(home)[-1]
    assert finished and not finished & ran, output
    assert {"report", "export"} <= ran


@pytest.mark.ray
@pytest.mark.slow
def test_two_drivers_on_one_store_make_each_step_once(tmp_path: Path, make_home: MakeHome) -> None:
    world, home = write_world(tmp_path / "world"), make_home(tmp_path / "home")
    drivers = [start(world, home) for _ in range(2)]
    outputs = [d.communicate(timeout=400)[0] for d in drivers]
    assert [d.returncode for d in drivers] == [0, 0], "\n".join(outputs)
    first, second = steps_run(home)
    assert not first & second
    assert {"shard-left", "spectral-left", "mmd-net", "report"} <= first | second
