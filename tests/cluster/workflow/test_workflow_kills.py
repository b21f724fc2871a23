"""Drivers that die, stop, or come in pairs: the store stays consistent, and nothing runs twice without need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from workflow_driver import DIAMOND, PLACES, diamond, gated, short_leases

from cluster.workflow.executor import execute
from cluster.workflow.inprocess import InProcess
from cluster.workflow.store import Store

DRIVER = str(Path(__file__).with_name("workflow_driver.py"))


def start(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, DRIVER, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return dict(json.loads(out))


def traced(path: Path) -> Counter[str]:
    return Counter(path.read_text().split())


def wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one store for each place at which a driver was killed."""
    root = tmp_path_factory.mktemp("killed")
    ends = answer(start(root, "--die-everywhere"))
    assert ends == {f"{s}-{p}": signal.SIGKILL for s in DIAMOND for p in PLACES}
    return root


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", DIAMOND)
def test_after_a_kill_the_same_command_runs_only_what_was_unfinished(killed: Path, step: str, place: str) -> None:
    home = killed / f"{step}-{place}"
    before = traced(home / "trace")
    graph = diamond(str(home / "trace"))
    store = Store.at(home / "store")
    complete = {n for n in DIAMOND if store.find(n, graph.keys[n], verify=True).sound}
    assert all(store.find(n, graph.keys[n]).damage is None for n in DIAMOND)
    finished = set(before) - ({step} if place != "after-rename" else set())
    assert complete == finished
    result = execute(graph, store, InProcess)
    assert result.ok
    assert {n for n, s in result.steps.items() if s.state == "RAN"} == set(DIAMOND) - complete
    after = traced(home / "trace")
    assert {n: after[n] - before[n] for n in DIAMOND} == {n: int(n not in complete) for n in DIAMOND}
    reference = Store.at(home / "reference")
    execute(diamond(), reference, InProcess)
    for name in DIAMOND:
        ours, theirs = (s.find(name, graph.keys[name], verify=True).sound for s in (store, reference))
        assert ours is not None
        assert theirs is not None
        assert ours.manifest.digest == theirs.manifest.digest
    assert not [p for p in (home / "store" / "tmp").rglob("*") if p.is_file()]


def test_three_drivers_on_one_store_run_each_step_once(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    drivers = [start(tmp_path / "store", "--seconds", 0.3, "--trace", trace) for _ in range(3)]
    answers = [answer(d) for d in drivers]
    assert traced(trace) == {"one": 1, "two": 1, "three": 1}
    states = [Counter(a["states"].values()) for a in answers]  # type: ignore[attr-defined]
    assert all(a["error"] is None for a in answers)
    assert sum(s["RAN"] for s in states) == 3
    assert sum(s["HIT"] for s in states) == 6


def test_a_second_driver_says_for_whom_it_waits(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    other = start(tmp_path / "store", "--gate", gate)
    wait_for(gate.with_suffix(".started"))
    events: list[dict[str, object]] = []

    def listen(event: dict[str, object]) -> None:
        events.append(event)
        if event["kind"] == "step-waiting":
            gate.touch()

    result = execute(gated(str(gate)), Store.at(tmp_path / "store"), InProcess, listener=listen)
    assert result.steps["gated"].state == "HIT"
    waiting = next(e for e in events if e["kind"] == "step-waiting")
    assert str(waiting["holder"]).startswith(f"process {other.pid} on ")
    assert answer(other)["states"] == {"gated": "RAN"}


def test_when_the_other_driver_fails_the_waiting_one_makes_it(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    other = start(tmp_path / "store", "--gate", gate)
    wait_for(gate.with_suffix(".started"))

    def kill(event: dict[str, object]) -> None:
        if event["kind"] == "step-waiting":
            other.kill()
            other.wait()
            gate.touch()

    result = execute(gated(str(gate)), Store.at(tmp_path / "store"), InProcess, listener=kill)
    assert result.steps["gated"].state == "RAN"


def test_a_zombie_cannot_publish(tmp_path: Path) -> None:
    """Stopped, taken over, resumed: what it made is thrown away, and it uses the heir's output."""
    gate, trace = tmp_path / "gate", tmp_path / "trace"
    zombie = start(tmp_path / "store", "--gate", gate, "--trace", trace, "--expiry", 0.5)
    wait_for(gate.with_suffix(".started"))
    os.kill(zombie.pid, signal.SIGSTOP)
    gate.touch()
    store = Store.at(tmp_path / "store")
    graph = gated(str(gate), str(trace))
    heir = execute(graph, store, InProcess, run_id="heir", timing=short_leases(0.5))
    assert heir.steps["gated"].state == "RAN"
    os.kill(zombie.pid, signal.SIGCONT)
    assert answer(zombie)["states"] == {"gated": "HIT"}
    output = store.find("gated", graph.keys["gated"], verify=True).sound
    assert output is not None
    assert output.manifest.made["run"] == "heir"
    assert traced(trace) == {"gated": 2}
    assert list((tmp_path / "store" / "tmp").iterdir()) == []
