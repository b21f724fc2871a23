"""The engine's own events, from real runs of a small graph, as MLflow shows them."""

from __future__ import annotations

from pathlib import Path

from tracking_helpers import client, runs

from cluster.tracking.tracker import Tracker
from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.results import RunResult
from cluster.workflow.step import Step
from cluster.workflow.store import Store
from components.files import Folder


def graph(last: str) -> Graph:
    first = Step(
        name="shard", version="1", run="tracking_helpers:make", config={"dim": 8}, externals={"a.csv": "e" * 64}
    )
    return Graph.of(Step(name="encode", version="2", run=f"tracking_helpers:{last}", inputs={"shards": first}))


def tracked(home: Path, last: str = "make") -> RunResult:
    tracker = Tracker(home)
    store = Store(Folder.at(home / "store"))
    result = execute(graph(last), store, InProcess, listener=tracker.listen, logs_dir=home / "logs", pipeline="tiny")
    drained = tracker.close(60)
    assert (drained.pending, drained.rejected, drained.problem) == (0, 0, "")
    return result


def test_a_run_and_its_repetition(home: Path) -> None:
    first, second = tracked(home), tracked(home)
    by_uid = {r.data.tags["isthmus.uid"]: r for r in runs(home)}
    assert set(by_uid) == {f"{r.run_id}{s}" for r in (first, second) for s in ("", "/shard", "/encode")}
    made, hit = by_uid[f"{first.run_id}/shard"], by_uid[f"{second.run_id}/shard"]
    assert (made.data.tags["step.cached"], hit.data.tags["step.cached"]) == ("false", "true")
    assert hit.data.tags["step.origin_run"] == made.info.run_id
    assert made.data.params == hit.data.params == {"dim": "8"}
    assert made.data.tags["note.1"] == "made it"
    assert [m.step for m in client(home).get_metric_history(made.info.run_id, "loss")] == [0, 1, 2]
    assert made.data.metrics["rows"] == hit.data.metrics["rows"] == 7.0
    artifacts = {a.path for a in client(home).list_artifacts(made.info.run_id)}
    assert {"MANIFEST.json", "plot.svg"} <= artifacts

    (external,) = made.inputs.dataset_inputs
    assert (external.dataset.name, external.dataset.digest) == ("a.csv", "e" * 36)
    (shards,) = by_uid[f"{first.run_id}/encode"].inputs.dataset_inputs
    assert shards.dataset.name == "shard"
    assert made.data.tags["output.digest"].startswith(shards.dataset.digest)
    assert by_uid[second.run_id].data.metrics["steps.hit"] == 2.0
    assert by_uid[first.run_id].data.metrics["shard.rows"] == 7.0


def test_a_failing_step(home: Path) -> None:
    result = tracked(home, "fail")
    by_uid = {r.data.tags["isthmus.uid"]: r for r in runs(home)}
    failed = by_uid[f"{result.run_id}/encode"]
    assert (failed.info.status, by_uid[result.run_id].info.status) == ("FAILED", "FAILED")
    assert by_uid[f"{result.run_id}/shard"].info.status == "FINISHED"
    assert "row 'a17' has 3 NaN values" in failed.data.tags["error"]
    assert [a.path for a in client(home).list_artifacts(failed.info.run_id)] == ["logs"]
