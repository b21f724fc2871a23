from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tracking_helpers import (
    HERE,
    T0,
    client,
    ended,
    finished,
    run_of,
    runs,
    script,
    small_run,
    snapshot,
    started,
    step_events,
    step_output,
)

from cluster.tracking.outbox import leftovers
from cluster.tracking.tracker import Tracker, sync
from components.errors import UserError


def track(home: Path, *events: dict, **more: object) -> Tracker:
    tracker = Tracker(home, **more)  # type: ignore[arg-type]
    for event in events:
        tracker.listen(event)
    return tracker


def test_a_run_becomes_a_parent_and_a_child_per_step(home: Path) -> None:
    tracker = Tracker(home)
    tracker.recipe({"aligner": "sue", "spectral": {"dim": 8}}, "aligner: sue\n", name="emoji")
    for event in small_run("20261122-052-abc123"):
        tracker.listen(event)
    result = tracker.close(60)
    parent, first, second = runs(home)
    assert (result.pending, result.rejected, result.problem) == (0, 0, "")
    assert result.parent_run_id == parent.info.run_id
    assert parent.info.run_name == "emoji-2-abc123"
    assert parent.data.params == {"aligner": "sue", "spectral.dim": "8"}
    assert parent.data.metrics["step-1.rows"] == 1.0
    assert parent.data.metrics["steps.ran"] == 2.0
    assert (parent.info.start_time, parent.info.end_time) == (int(T0 * 1000), int((T0 + 100) * 1000))
    assert [r.data.tags["mlflow.parentRunId"] for r in (first, second)] == [parent.info.run_id] * 2
    assert {r.info.status for r in (parent, first, second)} == {"FINISHED"}
    assert parent.data.tags["git.commit"]
    assert [a.path for a in client(home).list_artifacts(parent.info.run_id)] == ["recipe.yaml"]
    assert leftovers(home) == [], "an outbox that was carried over is removed"


def test_curves_keep_their_points_in_order(home: Path) -> None:
    track(home, started("r"), *step_events("r", "train", points=40), ended("r")).close(60)
    history = client(home).get_metric_history(run_of(home, "train").info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(n, 1 / (n + 1)) for n in range(40)]


def test_a_step_shows_parameters_inputs_and_facts(home: Path) -> None:
    event = finished(
        "r",
        "cca",
        config={"dim": 16, "long": "x" * 7000},
        facts={"corr": [0.9, 0.8], "pairs": 100, "bad": math.nan},
        inputs={"left": {"step": "spectral-left", "key": "k1", "digest": "d" * 64}},
        externals={"pairs.csv": "sha256:" + "e" * 64},
        files={"digest": "f" * 64, "bytes": 10},
    )
    track(home, started("r"), event, ended("r")).close(60)
    run = run_of(home, "cca")
    assert run.data.params["dim"] == "16"
    assert run.data.params["long"].endswith("[cut: 7000 characters in all]")
    assert run.data.metrics == {"corr": 0.8, "pairs": 100.0, "seconds": 3.5}
    assert run.data.tags["nonfinite.bad"].startswith("nan")
    assert run.data.tags["step.key"] == "ab" * 32
    assert run.data.tags["output.digest"] == "f" * 64
    inputs = {(i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs}
    assert inputs == {("spectral-left", "d" * 36), ("pairs.csv", "e" * 36)}


def test_small_files_are_uploaded_and_large_ones_are_named(home: Path, tmp_path: Path) -> None:
    output = step_output(tmp_path / "out", plot_png="picture", table_csv="a,b", weights_safetensors="w")
    track(home, started("r"), finished("r", "report", output=str(output)), ended("r")).close(60)
    run_id = run_of(home, "report").info.run_id
    source = client(home)
    assert {a.path for a in source.list_artifacts(run_id)} == {"MANIFEST.json", "plot.png", "table.csv"}
    manifest = json.loads(Path(source.download_artifacts(run_id, "MANIFEST.json")).read_text())
    where = {w["name"]: w for w in manifest["where"]}
    assert where["plot.png"]["uploaded"]
    assert where["weights.safetensors"] == {
        "name": "weights.safetensors",
        "bytes": 1,
        "uploaded": False,
        "uri": f"{output}/weights.safetensors",
    }


def test_a_hit_points_at_the_run_that_made_it(home: Path) -> None:
    track(home, started("one"), *step_events("one", "cca"), ended("one")).close(60)
    made_by = run_of(home, "cca").info.run_id
    hit = finished("two", "cca", cached=True, origin_run="one")
    lost = finished("two", "older", cached=True, origin_run="long-ago")
    track(home, started("two"), hit, lost, ended("two")).close(60)
    tags = {r.data.tags["isthmus.uid"]: r.data.tags for r in runs(home)}
    assert tags["two/cca"]["step.origin_run"] == made_by
    assert tags["two/cca"]["step.cached"] == "true"
    assert tags["two/older"]["step.origin_run"] == "long-ago/older"
    assert tags["one/cca"]["step.cached"] == "false"


def test_a_failed_step_fails_its_run_and_the_parent_and_brings_its_log(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("epoch 1\nconnecting to http://me:pa55word@host\nValueError: no\n")
    failed = {"kind": "step-failed", "time": T0, "run": "r", "step": "train", "log": str(log), "seconds": 1.0}
    failed |= {"error": "http://me:pa55word@host refused", "config": {"password": "pa55word", "dim": 4}}
    skipped = {"kind": "step-skipped", "time": T0, "run": "r", "step": "eval", "reason": "train failed"}
    track(home, started("r"), failed, skipped, ended("r", "FAILED")).close(60)
    parent, child = runs(home)
    assert (parent.info.status, child.info.status) == ("FAILED", "FAILED")
    assert child.data.tags["error"] == "http://***@host refused"
    assert child.data.params == {"password": "***", "dim": "4"}
    assert parent.data.tags["skipped.eval"] == "train failed"
    text = Path(client(home).download_artifacts(child.info.run_id, "logs/train.log")).read_text()
    assert "epoch 1" in text
    assert "pa55word" not in text


def test_no_secret_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at the URI, so everything stays in the outbox, where it can be searched."""
    uri = "http://me:pa55word@127.0.0.1:9"
    event = finished("r", "s", config={"source": "s3://me:pa55word@host/x"}, facts={"note": "token=pa55word"})
    tracker = Tracker(tmp_path, uri=uri)
    tracker.recipe({"api_key": "pa55word"}, "store: http://me:pa55word@host\n")
    for e in (started("r"), event, ended("r")):
        tracker.listen(e)
    result = tracker.close(10)
    assert result.pending > 0
    assert "pa55word" not in str(result)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.name == "records.jsonl" for p in files)
    assert [p for p in files if b"pa55word" in p.read_bytes()] == []


def test_notes_are_tags(home: Path) -> None:
    note = {"kind": "note", "time": T0, "run": "r", "step": "gauge", "text": "these corpora can be aligned"}
    begin = {"kind": "step-started", "time": T0, "run": "r", "step": "gauge"}
    track(home, started("r"), begin, note, finished("r", "gauge"), ended("r")).close(60)
    assert run_of(home, "gauge").data.tags["note.1"] == "these corpora can be aligned"


def test_a_broken_event_is_reported_and_hurts_nothing(home: Path) -> None:
    broken = {"kind": "metric", "time": T0, "run": "r", "step": "s", "name": "loss", "value": "not a number"}
    result = track(home, started("r"), broken, *step_events("r", "t"), ended("r")).close(60)
    assert "metric: ValueError" in result.problem
    assert run_of(home, "t").info.status == "FINISHED"


def test_a_hit_that_has_to_run_after_all_ends_as_made(home: Path) -> None:
    again = step_events("r", "s", facts={"rows": 2})
    track(home, started("r"), finished("r", "s", cached=True, origin_run="q"), *again, ended("r")).close(60)
    run = run_of(home, "s")
    assert (run.data.tags["step.cached"], run.info.status, run.data.metrics["rows"]) == ("false", "FINISHED", 2.0)


def test_a_scheme_that_cannot_hold_runs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:///tmp/mlruns")
    with pytest.raises(UserError, match=r"MLFLOW_TRACKING_URI.*use one of"):
        Tracker(tmp_path)


def test_the_experiment_can_be_named(home: Path) -> None:
    track(home, *small_run("r", steps=1), experiment="mine").close(60)
    assert len(runs(home, "mine")) == 2


DRIVER = """
import sys, time
from pathlib import Path
sys.path.append(sys.argv[3])
from tracking_helpers import *
from cluster.tracking.tracker import Tracker
tracker = Tracker(Path(sys.argv[1]))
tracker.listen(started("r"))
for n in range(3):
    for event in step_events("r", f"step-{n}", points=5):
        tracker.listen(event)
tracker.listen({"kind": "step-started", "time": T0, "run": "r", "step": "step-3"})
if sys.argv[2] != "at once":
    while not (Path(sys.argv[1]) / "outbox/r/progress.json").exists():
        time.sleep(0.01)
    time.sleep(float(sys.argv[2]))
print("ready", flush=True)
time.sleep(60)
"""


SLOW = pytest.mark.slow


@pytest.mark.parametrize("moment", ["at once", pytest.param("0", marks=SLOW), pytest.param("0.15", marks=SLOW)])
def test_after_sigkill_each_record_arrives_once(home: Path, moment: str) -> None:
    driver = script(DRIVER, str(home), moment, HERE)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    driver.kill()
    driver.wait()
    result = sync(home)
    assert (result.pending, result.rejected) == (0, 0)
    found = runs(home)
    assert sorted(r.data.tags["isthmus.uid"] for r in found) == ["r", *(f"r/step-{n}" for n in range(4))]
    statuses = {r.data.tags["isthmus.uid"]: r.info.status for r in found}
    assert statuses == {"r": "KILLED", "r/step-3": "KILLED", **{f"r/step-{n}": "FINISHED" for n in range(3)}}
    for n in range(3):
        history = client(home).get_metric_history(run_of(home, f"step-{n}").info.run_id, "loss")
        assert [m.step for m in history] == [0, 1, 2, 3, 4]
    before = snapshot(home)
    sync(home)
    assert snapshot(home) == before
