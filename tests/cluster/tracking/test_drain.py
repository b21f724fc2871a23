from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tracking_helpers import runs, script, small_run, snapshot, step_output

from cluster.tracking import client as client_module
from cluster.tracking.client import Store, is_final
from cluster.tracking.database import default_uri
from cluster.tracking.drain import Applier, Drainer
from cluster.tracking.outbox import Journal, leftovers, outbox_root
from cluster.tracking.tracker import Tracker, sync


@pytest.fixture
def waiting(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A journal of a dead run none of which has reached MLflow."""
    with monkeypatch.context() as patch:
        patch.setattr(Drainer, "start", lambda self: None)
        tracker = Tracker(home)
        output = step_output(tmp_path / "out", plot_png="x")
        for event in small_run("r"):
            tracker.listen({**event, "output": str(output)} if event["kind"] == "step-finished" else event)
        assert tracker._journal is not None
        tracker._journal.close()
        tracker._journal.unlock()
        return tracker._journal


def replay(home: Path, journal: Journal) -> Applier:
    applier = Applier(home, default_uri(home), "isthmus")
    assert journal.lock()
    assert applier.replay(journal, lambda: False), applier.problem
    journal.unlock()
    return applier


def test_replaying_everything_twice_changes_nothing(home: Path, waiting: Journal, tmp_path: Path) -> None:
    shutil.copytree(waiting.path, tmp_path / "copy")
    replay(home, waiting)
    once = snapshot(home)
    assert len(once) == 3
    shutil.copytree(tmp_path / "copy", waiting.path)
    replay(home, Journal(outbox_root(home), "r"))
    assert snapshot(home) == once


def test_stopping_after_any_record_and_going_on_changes_nothing(home: Path, waiting: Journal, tmp_path: Path) -> None:
    """The crash between MLflow's answer and our note of it: progress is one record behind, at every record."""
    shutil.copytree(waiting.path, tmp_path / "copy")
    applier = Applier(home, default_uri(home), "isthmus")
    progress = waiting.load_progress()
    for _ in range(60):
        behind = progress.offset
        calls: list[int] = []

        def after_two(seen: list[int] = calls) -> bool:
            seen.append(1)
            return len(seen) > 2

        applier.drain(waiting, progress, after_two)
        if progress.offset == waiting.records.stat().st_size:
            break
        progress = waiting.load_progress()
        progress.offset = next(o for o, _ in waiting.read(behind))
        progress.unsure = list(progress.runs)
        progress.runs = {}
    applier.finish(waiting, progress)
    stuttered = snapshot(home)
    for run in runs(home):
        applier.connect().client.delete_run(run.info.run_id)
    shutil.copytree(tmp_path / "copy", waiting.path)
    replay(home, Journal(outbox_root(home), "r"))
    assert snapshot(home) == stuttered


class LostAnswers:
    """``create_run`` works, but its answer does not come back: at once, or only after our second attempt."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, late: bool) -> None:
        from mlflow.tracking import MlflowClient

        real: Callable[..., Any] = MlflowClient.create_run
        self.held: list[Callable[[], Any]] = []
        seen: set[str] = set()

        def create_run(this: Any, *args: Any, **more: Any) -> Any:
            uid = more["tags"][client_module.UID_TAG]
            if uid in seen:
                made = real(this, *args, **more)
                for other in self.held:
                    other()
                self.held.clear()
                return made
            seen.add(uid)
            if late:
                self.held.append(lambda: real(this, *args, **more))
            else:
                real(this, *args, **more)
            raise ConnectionError("the answer was lost")

        monkeypatch.setattr(MlflowClient, "create_run", create_run)


@pytest.mark.parametrize("late", [False, True])
def test_a_lost_answer_makes_no_second_run(
    home: Path, waiting: Journal, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    LostAnswers(monkeypatch, late=late)
    applier = Applier(home, default_uri(home), "isthmus")
    assert waiting.lock()
    failures = 0
    while not applier.replay(waiting, lambda: False):
        failures += 1
        assert failures < 10, applier.problem
    assert failures == 3
    assert [r.data.tags["isthmus.uid"] for r in runs(home)] == ["r", "r/step-0", "r/step-1"]


def test_a_refused_record_is_set_aside_and_the_rest_arrives(home: Path, waiting: Journal) -> None:
    lines = waiting.records.read_bytes().splitlines(keepends=True)
    bad = b'{"kind":"log","uid":"r","params":{},"metrics":[["in valid?",1.0,1,0]],"tags":{}}\n'
    odd = b'{"kind":"from the future","uid":"r"}\n'
    waiting.records.write_bytes(b"".join([*lines[:2], bad, odd, *lines[2:]]))
    applier = replay(home, waiting)
    assert applier.rejected == 2
    assert {r.info.status for r in runs(home)} == {"FINISHED"}
    kept = (outbox_root(home) / "rejected.jsonl").read_text()
    assert "from the future" in kept
    assert "in valid?" in kept


def test_a_record_that_always_fails_on_a_healthy_store_blocks_nothing(
    home: Path, waiting: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_order(self: Store, *args: Any) -> None:
        raise ConnectionError("500")

    monkeypatch.setattr(Store, "_inputs", out_of_order)
    monkeypatch.setattr(Store, "_artifacts", out_of_order)
    applier = Applier(home, default_uri(home), "isthmus")
    assert waiting.lock()
    for _ in range(20):
        if applier.replay(waiting, lambda: False):
            break
    assert applier.rejected == 2, "the artifacts of both steps"
    assert {r.info.status for r in runs(home)} == {"FINISHED"}


HOLDER = """
import sys, time
from pathlib import Path
from cluster.tracking.outbox import Journal
assert Journal(Path(sys.argv[1]), "r").lock()
print("locked", flush=True)
time.sleep(60)
"""


def test_an_outbox_in_other_hands_is_left_alone(home: Path, waiting: Journal) -> None:
    holder = script(HOLDER, str(outbox_root(home)))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    assert sync(home).pending == 0
    assert runs(home) == []
    holder.kill()
    holder.wait()
    assert sync(home).pending == 0
    assert len(runs(home)) == 3


def test_the_next_run_replays_what_waits(home: Path, waiting: Journal) -> None:
    tracker = Tracker(home)
    for event in small_run("next", steps=1):
        tracker.listen(event)
    assert tracker.close(60).pending == 0
    assert {r.data.tags["isthmus.run"] for r in runs(home)} == {"r", "next"}
    assert leftovers(home) == []


def test_records_for_another_store_wait_for_it(home: Path, waiting: Journal, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copyfile(home / "mlflow.db", other / "mlflow.db")
    assert sync(home, uri=default_uri(other)).pending == 0
    assert runs(other) == []
    assert waiting.records.exists()


def test_a_home_that_was_moved_still_replays(home: Path, waiting: Journal, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    home.rename(moved)
    assert sync(moved).pending == 0
    assert len(runs(moved)) == 3


def test_what_counts_as_final() -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE, PERMISSION_DENIED

    assert is_final(MlflowException("x", INVALID_PARAMETER_VALUE))
    assert not is_final(MlflowException("x", INTERNAL_ERROR))
    assert not is_final(MlflowException("login", PERMISSION_DENIED))
    assert not is_final(ConnectionError())
    assert not is_final(OSError("no space left"))
    assert is_final(FileNotFoundError("staged copy"))
