"""Run records and diffs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from workflow_bodies import make

from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.history import diff, find_run, new_run_id
from cluster.workflow.inprocess import InProcess
from cluster.workflow.store import Store
from components.errors import UserError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


def run(store: Store, run_id: str, graph: Graph, **recipe: object) -> None:
    execute(graph, store, InProcess, run_id=run_id, pipeline="align", recipe=recipe)


def test_the_record_holds_recipe_keys_states_and_facts(store: Store) -> None:
    graph = Graph.of(make("b", make("a", value=5)), make("bad", body="user_error"))
    run(store, "r1", graph, seed=3)
    record = store.read_run("r1")
    assert (record["recipe"], record["pipeline"], record["state"]) == ({"seed": 3}, "align", "FAILED")
    assert {n: s["state"] for n, s in record["steps"].items()} == {"a": "RAN", "b": "RAN", "bad": "FAILED"}
    assert record["steps"]["b"]["key"] == graph.keys["b"]
    assert record["steps"]["b"]["facts"] == {"total": 6}
    assert record["steps"]["bad"]["error"].startswith("left.parquet: row 'a17'")
    assert record["finished"] >= record["started"]


def test_the_record_is_there_while_the_run_goes_on(store: Store) -> None:
    seen: list[str] = []

    def look(event: dict[str, object]) -> None:
        if event["kind"] == "step-started":
            seen.append(store.read_run("r1")["state"])

    execute(Graph.of(make("a")), store, InProcess, run_id="r1", listener=look)
    assert seen == ["RUNNING"]
    assert store.read_run("r1")["state"] == "DONE"


def test_diff_names_config_files_and_numbers(store: Store) -> None:
    run(store, "r1", Graph.of(make("b", make("a", value=5), dim=8), make("old")), alignment={"dim": 8})
    run(store, "r2", Graph.of(make("b", make("a", value=7), dim=16), make("new")), alignment={"dim": 16})
    found = diff(store, "r1", "r2")
    assert found.recipe == ("alignment.dim 8 -> 16",)
    assert found.steps["b"].config == ("dim 8 -> 16",)
    assert [str(f) for f in found.steps["b"].facts] == ["total 6 -> 8"]
    assert found.steps["a"].config == ("value 5 -> 7",)
    assert (found.only_a, found.only_b) == (("old",), ("new",))


def test_equal_runs_do_not_differ(store: Store) -> None:
    for run_id in ("r1", "r2"):
        run(store, run_id, Graph.of(make("a")))
    assert diff(store, "r1", "r2").steps == {}


def test_runs_are_found_by_beginning_and_by_age(store: Store) -> None:
    for run_id in ("20260101-a", "20260102-b", "20260102-c"):
        run(store, run_id, Graph.of(make("a")))
    assert find_run(store, "20260101") == "20260101-a"
    assert find_run(store, "last") == "20260102-c"
    assert find_run(store, "last~2") == "20260101-a"
    with pytest.raises(UserError, match="2 runs start with '20260102'"):
        find_run(store, "20260102")
    with pytest.raises(UserError, match="no run starts with 'x'"):
        find_run(store, "x")
    with pytest.raises(UserError, match="3 runs are recorded"):
        find_run(store, "last~3")
    with pytest.raises(UserError, match="there is no run nope"):
        store.read_run("nope")


def test_run_ids_sort_by_time() -> None:
    first = new_run_id()
    time.sleep(0.002)
    assert first < new_run_id()
