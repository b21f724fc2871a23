"""Eight drivers at once, each a process, on one store and one MLflow server on PostgreSQL with a login and a proxy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines.bench.scale import drivers
from pipelines.bench.scale.servers import MlflowServer, postgres_programs


class Served:
    """An MLflow server that has these runs, finished."""

    uri = "http://127.0.0.1:9"


def told(monkeypatch: pytest.MonkeyPatch, runs: list[tuple[str, str]]) -> None:
    import mlflow.tracking

    class Client:
        def __init__(self, uri: str) -> None:
            self.uri = uri

        def get_experiment_by_name(self, name: str) -> Any:
            return type("Experiment", (), {"experiment_id": "1"})

        def search_runs(self, ids: list[str], max_results: int) -> list[Any]:
            return [
                type("Run", (), {
                    "data": type("Data", (), {"tags": {"isthmus.uid": uid}}),
                    "info": type("Info", (), {"status": status}),
                })
                for uid, status in runs
            ]  # fmt: skip

    monkeypatch.setattr(mlflow.tracking, "MlflowClient", Client)


@pytest.mark.parametrize(
    ("runs", "lost"),
    [
        ([("r", "FINISHED"), ("r/a", "FINISHED")], 0),
        ([("r", "FINISHED")], 1),
        ([("r", "FINISHED"), ("r/a", "RUNNING")], 1),
        ([("r", "FINISHED"), ("r/a", "FINISHED"), ("r/a", "FINISHED")], 1),
        ([("r", "FINISHED"), ("r/a", "FINISHED"), ("s", "FINISHED")], 1),
    ],
)
def test_a_run_that_is_missing_unfinished_doubled_or_strange_counts(
    monkeypatch: pytest.MonkeyPatch, runs: list[tuple[str, str]], lost: int
) -> None:
    told(monkeypatch, runs)
    assert drivers._lost(Served(), {"r": {"a": {}}}) == lost  # type: ignore[arg-type]


def test_a_step_that_ran_twice_or_never_counts(tmp_path: Path) -> None:
    from cluster.workflow.store import Store

    store = Store.at(tmp_path)
    steps = {"a": ("k1", "RAN"), "b": ("k2", "RAN"), "c": ("k3", "HIT")}
    for run, state in (("r1", "RAN"), ("r2", "HIT")):
        record = {name: {"key": key, "state": s if name != "b" else state} for name, (key, s) in steps.items()}
        store.write_run(run, {"steps": record})
    assert drivers._ran(tmp_path) == ({"k1", "k2", "k3"}, Counter({"k1": 2, "k2": 1}))


@pytest.mark.slow
@pytest.mark.skipif(postgres_programs() is None, reason="PostgreSQL is not installed (Debian: package postgresql)")
def test_eight_drivers_on_one_store_and_one_server_on_postgresql(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with drivers.server(tmp_path / "server") as served:
        found = drivers.run_together(tmp_path, served)
        assert (found.drivers, found.steps_run_more_than_once, found.errors) == (8, 0, 0), found.output
        artifacts_go_through_the_server(served)
        strangers_are_refused(served, tmp_path / "stranger")
        assert "Traceback" not in served.log  # no race of migrations, no lost connection
    secret = served.client["MLFLOW_TRACKING_PASSWORD"]
    assert all(secret not in text for text in (*found.output, served.log))
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert kept == []


def artifacts_go_through_the_server(served: MlflowServer) -> None:
    from mlflow.tracking import MlflowClient

    with drivers._environment(served.client):
        client = MlflowClient(served.uri)
        experiment = client.get_experiment_by_name("isthmus")
        runs = client.search_runs([experiment.experiment_id], filter_string="tags.`step.name` = 'report'")
        assert len(runs) == drivers.DRIVERS
        assert all(r.info.artifact_uri.startswith("mlflow-artifacts:") for r in runs)
        assert any(a.path.endswith(".html") for r in runs for a in client.list_artifacts(r.info.run_id))
    assert list((served.folder / "artifacts").rglob("*.html"))


def strangers_are_refused(served: MlflowServer, home: Path) -> None:
    """A wrong password costs no run: its records wait, as for a server that is down."""
    from tracking_helpers import small_run

    from cluster.tracking.tracker import Tracker

    with drivers._environment({**served.client, "MLFLOW_TRACKING_PASSWORD": "a-wrong-password"}):
        tracker = Tracker(home, uri=served.uri)
        for event in small_run("stranger"):
            tracker.listen(event)
        result = tracker.close(20)
    assert result.pending > 0 and result.rejected == 0
    assert "a-wrong-password" not in result.problem
