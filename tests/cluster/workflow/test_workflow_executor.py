"""Runs: what runs, in what order, what is told, and what a failure leaves behind. No Ray."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workflow_bodies import make
from workflow_driver import DIAMOND, diamond
from workflow_strategies import random_steps

from cluster.places import here
from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.job import Dispatcher
from cluster.workflow.results import RunResult, State
from cluster.workflow.step import Step
from cluster.workflow.store import Store
from components.errors import UserError


def run(graph: Graph, store: Store, **more: Any) -> RunResult:
    return execute(graph, store, InProcess, **more)


def states(result: RunResult) -> dict[str, str]:
    return {name: step.state.value for name, step in result.steps.items()}


def never() -> Dispatcher:
    raise AssertionError("nothing had to run")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "store")


def traced(path: Path) -> Counter[str]:
    return Counter(path.read_text().split()) if path.exists() else Counter()


def test_everything_runs_once_and_then_everything_hits_without_a_dispatcher(store: Store, tmp_path: Path) -> None:
    graph = diamond(str(tmp_path / "trace"))
    first = run(graph, store)
    assert first.ok
    assert states(first) == dict.fromkeys(DIAMOND, "RAN")
    assert first.steps["end"].facts == {"total": 1 + 2 + 1 + 3 + 4}
    second = execute(graph, store, never)
    assert states(second) == dict.fromkeys(DIAMOND, "HIT")
    assert second.steps["end"].facts == first.steps["end"].facts
    assert {s.origin_run for s in second.steps.values()} == {first.run_id}
    assert traced(tmp_path / "trace") == dict.fromkeys(DIAMOND, 1)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=random_steps(), lost=st.sets(st.integers(0, 8)), failing=st.integers(0, 12))
def test_any_graph_any_loss_any_failure(
    steps: list[Step], lost: set[int], failing: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Exactly what is downstream of a failure lacks its output; the same command then makes only what lacks."""
    folder = tmp_path_factory.mktemp("any")
    trace = folder / "trace"
    store = Store.at(folder / "store")
    built: dict[str, Step] = {}
    for n, step in enumerate(steps):
        inputs = {i: built[s.name] for i, s in step.inputs.items()}
        body = "workflow_bodies:crash" if n == failing else step.run
        built[step.name] = replace(step, inputs=inputs, run=body, options={"trace": str(trace)})
    graph = Graph.of(*built.values())
    behind = graph.downstream([f"s{failing}"]) if f"s{failing}" in graph.steps else set()
    first = run(graph, store)
    assert {n for n, s in first.steps.items() if s.state is not State.RAN} == behind
    assert all(store.find(n, graph.keys[n]).sound is not None for n in graph.steps if n not in behind)
    missing = behind | {f"s{n}" for n in lost if f"s{n}" in graph.steps}
    for name in missing - behind:
        store.layout.remove(f"{name}-{graph.keys[name][:16]}")
    trace.unlink(missing_ok=True)
    whole = {s.name: replace(s, run="workflow_bodies:write") for s in built.values()}
    whole = _relinked(whole)
    second = run(Graph.of(*whole.values()), store)
    assert second.ok
    assert traced(trace) == dict.fromkeys(missing, 1)  # every step is a target here: what is lost is made again


def _relinked(steps: dict[str, Step]) -> dict[str, Step]:
    done: dict[str, Step] = {}
    for name, step in steps.items():
        done[name] = replace(step, inputs={i: done[s.name] for i, s in step.inputs.items()})
    return done


def test_only_what_missing_outputs_need_runs(store: Store, tmp_path: Path) -> None:
    graph = diamond(str(tmp_path / "trace"))
    run(graph, store)
    for name in ("top", "left"):
        store.layout.remove(f"{name}-{graph.keys[name][:16]}")
    result = execute(graph, store, never)
    assert states(result) == {"top": "SKIPPED", "left": "SKIPPED", "right": "HIT", "end": "HIT"}
    assert result.steps["top"].reason.startswith("not needed")
    store.layout.remove(f"end-{graph.keys['end'][:16]}")
    (tmp_path / "trace").unlink()
    result = run(graph, store)
    assert states(result) == {"top": "RAN", "left": "RAN", "right": "HIT", "end": "RAN"}
    assert traced(tmp_path / "trace") == {"top": 1, "left": 1, "end": 1}


def test_independent_branches_finish_when_one_fails(store: Store) -> None:
    top = make("top")
    bad = make("bad", top, body="user_error")
    good = make("good", make("other", top))
    result = run(Graph.of(make("end", bad, good), good), store)
    assert states(result) == {"top": "RAN", "bad": "FAILED", "other": "RAN", "good": "RAN", "end": "SKIPPED"}
    assert result.steps["end"].reason == "there is no output of bad"


def test_the_end_names_step_cause_and_log(store: Store, tmp_path: Path) -> None:
    graph = Graph.of(make("bad", body="user_error"), make("worse", body="crash"), make("gone", body="leave"))
    result = run(graph, store, logs_dir=tmp_path / "logs", run_id="r1")
    assert result.steps["bad"].error == "left.parquet: row 'a17' has 3 NaN values; remove it"
    assert result.steps["worse"].error == "RuntimeError: outer (because of KeyError: 'inner')"
    assert result.steps["gone"].error == "SystemExit: 3"
    log = tmp_path / "logs" / "r1" / "worse.log"
    assert "Traceback" in log.read_text()
    assert f"step worse failed: RuntimeError: outer (because of KeyError: 'inner') (log: {log})" in (result.error or "")
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_a_missing_body_fails_its_step_only(store: Store) -> None:
    lost = replace(make("lost"), run="no_such_module:run")
    result = run(Graph.of(lost, make("fine")), store)
    assert states(result) == {"lost": "FAILED", "fine": "RAN"}
    assert result.steps["lost"].error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_force_makes_the_step_and_what_is_downstream_again(store: Store, tmp_path: Path) -> None:
    graph = diamond(str(tmp_path / "trace"))
    run(graph, store)
    (tmp_path / "trace").unlink()
    result = run(graph, store, force={"left"})
    assert states(result) == {"top": "HIT", "left": "RAN", "right": "HIT", "end": "RAN"}
    assert traced(tmp_path / "trace") == {"left": 1, "end": 1}
    assert result.steps["left"].origin_run == result.run_id
    with pytest.raises(UserError, match="there is no step nope"):
        run(graph, store, force={"nope"})


def test_a_damaged_output_is_made_again_and_an_equal_one_changes_nothing_else(store: Store, tmp_path: Path) -> None:
    graph = diamond(str(tmp_path / "trace"))
    run(graph, store)
    (tmp_path / "trace").unlink()
    _harm(store, graph, "left", "data.parquet")
    result = run(graph, store)
    assert states(result) == {"top": "HIT", "left": "RAN", "right": "HIT", "end": "HIT"}
    assert result.steps["left"].reason.startswith("damaged: data.parquet is bit-flipped")
    assert traced(tmp_path / "trace") == {"left": 1}
    assert execute(graph, store, never).ok


def _harm(store: Store, graph: Graph, step: str, name: str) -> None:
    folder = store.find(step, graph.keys[step]).output
    assert folder is not None
    path = folder.folder.local / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_what_was_made_from_other_contents_is_made_again(store: Store) -> None:
    """The key of `reader` is the same, but what it read is no more: its output is not made from today's input."""
    noise = make("noise", body="noisy")
    graph = Graph.of(make("end", make("reader", noise, value=2)))
    run(graph, store)
    _harm(store, graph, "noise", "noise.bin")
    result = run(graph, store)
    assert states(result) == {"noise": "RAN", "reader": "RAN", "end": "HIT"}  # reader's own content came out equal
    assert result.steps["reader"].reason == "input noise was made again and came out different"
    assert states(execute(graph, store, never)) == dict.fromkeys(("noise", "reader", "end"), "HIT")


def test_a_new_reader_waits_until_it_is_known_whether_its_input_stays(store: Store) -> None:
    noise = make("noise", body="noisy")
    middle = make("middle", noise, body="noisy")
    run(Graph.of(middle), store)
    graph = Graph.of(make("end", middle))
    _harm(store, graph, "noise", "noise.bin")
    result = run(graph, store)
    assert states(result) == dict.fromkeys(("noise", "middle", "end"), "RAN")
    assert states(execute(graph, store, never)) == dict.fromkeys(("noise", "middle", "end"), "HIT")


def test_events_tell_the_whole_story(store: Store) -> None:
    events: list[dict[str, Any]] = []
    graph = Graph.of(make("b", make("a", value=5), value=7), make("bad", body="user_error"))
    run(graph, store, listener=events.append, run_id="r1", pipeline="align", recipe={"seed": 0})
    assert {e["run"] for e in events} == {"r1"}
    assert all(isinstance(e["time"], float) for e in events)
    kinds = [e["kind"] for e in events]
    assert kinds[0] == "run-started"
    assert kinds[1:4] == ["step-planned"] * 3
    assert kinds[-1] == "run-finished"
    of_b = [e for e in events if e.get("step") == "b"]
    assert [e["kind"] for e in of_b] == [
        "step-planned", "step-started", "progress", "metric", "note", "step-finished",
    ]  # fmt: skip
    assert (of_b[3]["name"], of_b[3]["value"], of_b[3]["index"]) == ("loss", 0.5, 3)
    end = of_b[-1]
    made_a = store.find("a", graph.keys["a"]).output
    assert made_a is not None
    assert end["inputs"] == {"in-a": {"step": "a", "key": graph.keys["a"], "digest": made_a.manifest.digest}}
    assert (end["key"], end["cached"], end["origin_run"]) == (graph.keys["b"], False, "r1")
    assert (end["config"], end["version"], end["facts"]) == ({"value": 7}, "1", {"total": 12})
    assert (end["files"]["rows"], end["files"]["count"]) == (1, 2)
    assert Path(end["output"], "MANIFEST.json").is_file()
    failed = next(e for e in events if e["kind"] == "step-failed")
    assert failed["error"] == "left.parquet: row 'a17' has 3 NaN values; remove it"
    assert events[-1]["state"] == "FAILED"
    assert events[-1]["steps"] == {"a": "RAN", "b": "RAN", "bad": "FAILED"}


def test_a_listener_that_raises_does_not_hurt(store: Store) -> None:
    def broken(event: dict[str, Any]) -> None:
        raise RuntimeError("tracker down")

    assert run(diamond(), store, listener=broken).ok


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("list", "returned list; return a dict of facts"),
        ("object", "facts of f.a: a builtins.object is not JSON"),
        ("key", "the key 1 is not a string"),
        ("huge", "take 307,209 bytes, more than 262,144"),
    ],
)
def test_facts_that_are_no_facts_fail_the_step_in_words(store: Store, kind: str, told: str) -> None:
    result = run(Graph.of(make("f", body="facts", kind=kind)), store)
    assert told in (result.steps["f"].error or "")


def test_numpy_scalars_and_nan_are_kept_as_json(store: Store) -> None:
    result = run(Graph.of(make("f", body="facts", kind="numpy")), store)
    assert result.steps["f"].facts == {"a": 0.5, "b": 3, "c": "NaN", "d": "-Infinity", "e": [1, 2]}


def test_the_work_folder_outlives_a_failure_and_a_success_removes_it(store: Store) -> None:
    graph = Graph.of(make("f", body="reads_work", times=2))
    assert not run(graph, store).ok
    assert not run(graph, store).ok
    result = run(graph, store)
    assert result.steps["f"].facts == {"attempts": 3}
    assert not store.work("f", graph.keys["f"]).exists()


def test_branches_run_side_by_side_if_the_dispatcher_can(store: Store) -> None:
    graph = Graph.of(*(make(f"s{n}", body="slow", seconds=0.3) for n in range(4)))
    started = time.monotonic()
    assert execute(graph, store, lambda: InProcess(threads=4)).ok
    assert time.monotonic() - started < 4 * 0.3


def test_max_parallel_is_a_limit(store: Store) -> None:
    running, most = set(), []

    def watch(event: dict[str, Any]) -> None:
        if event["kind"] == "step-started":
            running.add(event["step"])
            most.append(len(running))
        elif event["kind"] == "step-finished":
            running.discard(event["step"])

    graph = Graph.of(*(make(f"s{n}", body="slow", seconds=0.02) for n in range(6)))
    assert execute(graph, store, lambda: InProcess(threads=6), max_parallel=2, listener=watch).ok
    assert max(most) == 2


def test_the_manifest_says_where_a_step_and_its_pieces_ran(store: Store) -> None:
    graph = Graph.of(make("a", body="spread"), make("b"))
    result = execute(graph, store, InProcess)
    found = {name: step.output.manifest for name, step in result.steps.items() if step.output}
    assert found["a"].made["nodes"] == {"n1": 3, "n2": 2}
    assert found["b"].made["nodes"] == {}
    assert {m.made["node"] for m in found.values()} == {here()}


def test_passwords_in_locations_are_not_recorded(store: Store) -> None:
    step = replace(make("a"), locations={"left": "s3://key:secret@bucket/x"}, externals={"left": "00"})
    result = run(Graph.of(step), store, run_id="r1")
    assert result.ok
    written = [p.read_bytes() for p in store.root.local.rglob("*") if p.is_file()]
    assert not any(b"secret" in data for data in written)
    assert any(b"s3://***@bucket/x" in data for data in written)


def test_ctrl_c_gives_the_lease_back(store: Store) -> None:
    def interrupt(event: dict[str, Any]) -> None:
        if event["kind"] == "step-started":
            raise KeyboardInterrupt

    graph = Graph.of(make("a", body="slow", seconds=0.05))
    with pytest.raises(KeyboardInterrupt):
        run(graph, store, listener=interrupt, run_id="r1")
    assert not store.leases().is_live(f"a-{graph.keys['a'][:16]}")
    assert store.read_run("r1")["state"] == "FAILED"
    assert not [t for t in threading.enumerate() if t.name == "isthmus-lease"]


def test_a_full_disk_fails_the_step_in_words_and_leaves_a_readable_store(store: Store, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk; the driver is a process of its own."""
    code = (
        "import resource, sys\nfrom workflow_bodies import make\nfrom cluster.workflow.executor import execute\n"
        "from cluster.workflow.graph import Graph\nfrom cluster.workflow.inprocess import InProcess\n"
        "from cluster.workflow.store import Store\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "graph = Graph.of(make('big', make('small'), body='disk_full', bytes=1_000_000))\n"
        "print(execute(graph, Store.at(sys.argv[1]), InProcess).error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "store")], capture_output=True, text=True, check=False
    )
    assert "step big failed:" in done.stdout, done.stderr
    assert "a file grew beyond the size that this system allows; raise the limit" in done.stdout
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 200_000
    graph = Graph.of(make("big", make("small"), body="disk_full", bytes=1_000_000))
    result = run(graph, store)
    assert states(result) == {"small": "HIT", "big": "RAN"}


def test_a_disk_that_is_full_when_publishing_fails_the_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", "/disk/x")

    monkeypatch.setattr("cluster.workflow.local_layout._write_synced", full)
    result = run(diamond(), store)
    assert result.steps["top"].error == "/disk/x: the disk is full; free some space and run the same command again"
    monkeypatch.undo()
    assert states(run(diamond(), store)) == dict.fromkeys(DIAMOND, "RAN")


def test_a_store_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom workflow_driver import diamond\nfrom cluster.workflow.executor import execute\n"
        "from cluster.workflow.inprocess import InProcess\nfrom cluster.workflow.store import Store\n"
        "from cluster.workflow.history import RunRecord\nfrom components.errors import UserError\n"
        "RunRecord(Store.at('x'), 'r', diamond(), '', None)  # imports everything, while we may\n"
        "os.chmod(sys.argv[1], 0o555)\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: execute(diamond(), Store.at(sys.argv[1]), lambda: print('ran'))\n"
        "except UserError as exc: print(exc)"
    )
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    tmp_path.chmod(0o755)
    assert done.stdout.startswith(f"{tmp_path}"), done.stderr
    assert done.stdout.endswith("permission denied; choose another home, or ask for the right to write\n")
