"""The Ray dispatcher: same results as in process, logs, events, lost workers. One Ray for all of it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from workflow_bodies import make
from workflow_driver import DIAMOND, diamond

from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.mailbox import Inbox
from cluster.workflow.overhead import measure
from cluster.workflow.ray_dispatch import RayDispatcher
from cluster.workflow.results import RunResult, State
from cluster.workflow.step import Resources
from cluster.workflow.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def run(graph: Graph, folder: Path, **more: Any) -> RunResult:
    return execute(graph, Store.at(folder / "store"), RayDispatcher, logs_dir=folder / "logs", run_id="r1", **more)


def test_the_same_results_as_in_process(tmp_path: Path) -> None:
    graph = diamond()
    on_ray = run(graph, tmp_path)
    in_process = execute(graph, Store.at(tmp_path / "here"), InProcess)
    assert on_ray.names(State.RAN) == list(DIAMOND)
    for name in DIAMOND:
        ours, theirs = on_ray.steps[name].output, in_process.steps[name].output
        assert ours is not None
        assert theirs is not None
        assert ours.manifest.digest == theirs.manifest.digest
        assert on_ray.steps[name].facts == in_process.steps[name].facts
    assert execute(graph, Store.at(tmp_path / "store"), InProcess).names(State.HIT) == list(DIAMOND)


def test_the_manifest_has_the_id_of_rays_node(tmp_path: Path) -> None:
    import ray

    output = run(Graph.of(make("a")), tmp_path).steps["a"].output
    assert output is not None
    assert output.manifest.made["node"] == ray.get_runtime_context().get_node_id()


def test_events_arrive_in_order_and_before_the_end_of_their_step(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    run(Graph.of(make("a", value=5)), tmp_path, listener=events.append)
    kinds = [e["kind"] for e in events if e.get("step") == "a"]
    assert kinds == ["step-planned", "step-started", "progress", "metric", "note", "step-finished"]
    assert next(e for e in events if e["kind"] == "note")["text"] == "a says 5"


def test_no_event_is_lost_when_the_mailbox_answers_late() -> None:
    inbox, got, late = Inbox(), list[int](), 0
    emit, until = inbox.emit(), time.monotonic() + 60
    for number in range(100):
        emit({"number": number})
    while len(got) < 100 and time.monotonic() < until:
        events = inbox.take(wait_s=0)
        late += events is None
        got += [event["number"] for event in events or ()]
    inbox.close()
    assert late
    assert got == list(range(100))


def test_what_a_body_prints_logs_and_spawns_is_in_its_log(tmp_path: Path) -> None:
    result = run(Graph.of(make("talks", body="talks")), tmp_path)
    text = Path(result.steps["talks"].log or "").read_text()
    for line in ("from print", "INFO body: from logging", "from a child process"):
        assert line in text


def test_errors_of_bodies_are_one_sentence_and_never_retried(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    bad = replace(make("bad", body="user_error"), options={"trace": str(trace)})
    result = run(Graph.of(bad, make("worse", body="crash"), make("good")), tmp_path)
    assert result.steps["bad"].error == "left.parquet: row 'a17' has 3 NaN values; remove it"
    assert result.steps["worse"].error == "RuntimeError: outer (because of KeyError: 'inner')"
    assert result.steps["good"].state is State.RAN
    assert trace.read_text() == "bad\n"
    log = Path(result.steps["worse"].log or "").read_text()
    assert "printed before the crash" in log
    assert 'raise KeyError("inner")' in log
    assert "ray" not in (result.error or "").replace(str(tmp_path), "")


def test_an_error_inside_a_task_of_the_body_is_told_as_if_it_were_its_own(tmp_path: Path) -> None:
    result = run(Graph.of(make("n", body="nested_error")), tmp_path)
    assert result.steps["n"].error == "left.parquet: row 'a17' has 3 NaN values"


def test_a_lost_worker_is_replaced_and_its_half_output_is_gone(tmp_path: Path) -> None:
    result = run(Graph.of(make("k", body="killed", times=2)), tmp_path)
    assert result.steps["k"].state is State.RAN
    output = result.steps["k"].output
    assert output is not None
    assert [f.name for f in output.manifest.files] == ["data.parquet", "sub/about.json"]
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_a_worker_that_dies_every_time_fails_with_a_clear_sentence(tmp_path: Path) -> None:
    result = run(Graph.of(make("k", body="killed", times=99)), tmp_path)
    assert (result.steps["k"].error or "").startswith("the worker process was killed 3 times in a row")
    log = Path(result.steps["k"].log or "").read_text()
    assert all(f"attempt {n}" in log for n in (1, 2, 3))


def test_resources_that_do_not_exist_are_refused_at_once(tmp_path: Path) -> None:
    step = replace(make("huge"), resources=Resources(cpus=1000, gpus=2))
    result = run(Graph.of(step), tmp_path)
    assert (result.steps["huge"].error or "").startswith("the step asks for 1000 CPUs of 2 and 2 GPUs of 0")


def test_steps_that_drive_ray_themselves_do_not_wait_for_cpus(tmp_path: Path) -> None:
    """Four steps without CPUs of their own run at a time on two CPUs: they meet, or time out waiting."""
    step = make("drives", body="nested_tasks")
    graph = Graph.of(*(replace(step, name=f"drives-{n}", resources=Resources(cpus=0)) for n in range(4)))
    result = run(graph, tmp_path)
    assert [s.facts for s in result.steps.values()] == [{"sum": 6}] * 4


def test_the_layer_costs_little(tmp_path: Path) -> None:
    """The bound is generous (the machine may be busy): `isthmus bench overhead` prints the numbers."""
    found = measure(4)
    assert set(found["ray"]) == {"chain_ms", "fan_out_ms", "chain_hit_ms", "fan_out_hit_ms"}
    assert found["ray"]["chain_hit_ms"] < found["ray"]["chain_ms"]
