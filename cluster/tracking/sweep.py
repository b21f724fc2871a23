"""Records of a sweep: the sweep above its trials, a trial above the steps that it made. Written by the driver alone.

A step that a trial found in the store is no run again: the trial's tag ``step.NAME`` names the run that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.tracking.records import (
    close_record,
    facts_record,
    log_record,
    metric_record,
    ms_of,
    open_record,
    params_of,
    step_uid,
    tags_of,
)
from cluster.tracking.staging import stage_bytes
from cluster.tracking.tracker import Event, Tracker

_STATUS = {"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


class SweepTracker(Tracker):
    """As :class:`Tracker`; between ``run-started`` and ``run-finished`` it also takes these events.

    ``trial-started``: trial (uid), number, params. ``trial-event``: trial, event (of one of its steps).
    ``trial-finished``: trial, state, metrics (flat), tags. ``sweep-finished``: metrics, tags, best (uid of a trial),
    files (name -> bytes, artifacts).
    """

    kind = "sweep"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._begun: set[str] = set()
        self._handlers |= {
            "trial-started": self._trial_started,
            "trial-event": self._trial_event,
            "trial-finished": self._trial_finished,
            "sweep-finished": self._sweep_finished,
        }

    def _trial_started(self, event: Event) -> None:
        uid = str(event["trial"])
        tags = {"isthmus.kind": "trial", "isthmus.run": uid, "isthmus.sweep": self._run, "trial": event["number"]}
        name = f"trial-{int(event['number']):03d}"
        self._append(
            open_record(uid, name, ms_of(event), tags=tags_of(tags), parent=self._run),
            log_record(uid, params=params_of(event["params"])),
        )

    def _trial_event(self, event: Event) -> None:
        told, trial = dict(event["event"]), str(event["trial"])
        kind, uid = told["kind"], step_uid(trial, str(told.get("step")))
        if kind == "step-finished" and told.get("cached"):
            origin = step_uid(str(told.get("origin_run")), str(told["step"]))
            self._append(log_record(trial, tags=tags_of({f"step.{told['step']}": origin})))
        elif kind in {"step-started", "metric", "step-finished", "step-failed"}:
            self._begin(uid, trial, told)
            self._step(kind, uid, told)

    def _step(self, kind: str, uid: str, told: Event) -> None:
        if kind == "metric":
            point = (str(told["name"]), float(told["value"]), ms_of(told), int(told.get("index", 0)))
            self._append(metric_record(uid, *point))
        elif kind == "step-failed":
            error = {"error": told.get("error"), "log": told.get("log")}
            self._append(log_record(uid, tags=tags_of(error)), close_record(uid, "FAILED", ms_of(told)))
        elif kind == "step-finished":
            details = {**self._details(told, seconds=True), "uid": uid}
            self._append(details, facts_record(uid, dict(told.get("facts") or {}), ms_of(told)))
            self._append_inputs(uid, told)
            self._append({**close_record(uid, "FINISHED", ms_of(told)), "made": True})

    def _begin(self, uid: str, trial: str, told: Event) -> None:
        if uid in self._begun:
            return
        self._begun.add(uid)
        tags = {"isthmus.kind": "step", "isthmus.run": trial, "step.name": told["step"], "step.cached": "false"}
        self._append(open_record(uid, str(told["step"]), ms_of(told), tags=tags_of(tags), parent=trial))

    def _trial_finished(self, event: Event) -> None:
        uid, state = str(event["trial"]), str(event["state"])
        record = facts_record(uid, event.get("metrics") or {}, ms_of(event))
        record["tags"].update(tags_of({"trial.state": state, **(event.get("tags") or {})}))
        self._append(record, close_record(uid, _STATUS[state], ms_of(event)))

    def _sweep_finished(self, event: Event) -> None:
        record = facts_record(self._run, event.get("metrics") or {}, ms_of(event))
        record["tags"].update(tags_of(event.get("tags") or {}))
        self._append(record)
        if best := event.get("best"):
            self._append(log_record(str(best), tags=tags_of({"sweep.best": "true"})))
        self._artifacts(event.get("files") or {})

    def _artifacts(self, files: Mapping[str, bytes]) -> None:
        into = self._next_folder()
        staged = [stage_bytes(name, data, into, folder=name.rpartition("/")[0]) for name, data in files.items()]
        if staged:
            self._append({"kind": "artifacts", "uid": self._run, "files": staged})
