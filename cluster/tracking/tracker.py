"""The tracker: listens to the engine's events and keeps MLflow's copy of what happened.

``listen`` only appends lines to the outbox and returns; a background thread carries them to MLflow. So a tracking store
that is down, slow or broken costs a run nothing but the bounded wait of :meth:`Tracker.close`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cluster.tracking import staging
from cluster.tracking.database import default_uri, resolve_uri
from cluster.tracking.drain import Drainer, DrainResult
from cluster.tracking.outbox import FORMAT, Journal, Record, outbox_root
from cluster.tracking.records import (
    clean_name,
    close_record,
    facts_record,
    input_of,
    log_record,
    metric_record,
    ms_of,
    open_record,
    output_uri,
    params_of,
    step_uid,
    tags_of,
)
from cluster.tracking.redact import redact_text
from cluster.tracking.system import Sampler
from cluster.workflow.keys import flatten, numbers
from components.files import Folder

Event = Mapping[str, Any]
EXPORT_STEP = "export"
MAX_NOTES = 50


class Tracker:
    """One pipeline run's records.

    Args:
        home: directory of the outbox, the embedded database and its artifacts.
        uri: tracking URI; None takes ``MLFLOW_TRACKING_URI``, else SQLite in ``home``.
        experiment: MLflow experiment of the runs.
        model_name: registered name of the exported model; None takes the recipe's name.
        store_uri: where the outputs lie, if that is an object store: events name only the path in the bucket.
        parent: uid of the run above this one, if there is one in the store: a sweep whose best trial this is.

    Raises:
        UserError: the URI's scheme cannot hold runs.
    """

    kind = "pipeline"

    def __init__(
        self,
        home: Path,
        *,
        uri: str | None = None,
        experiment: str = "isthmus",
        model_name: str | None = None,
        store_uri: str | None = None,
        parent: str = "",
    ) -> None:
        self._home = home.expanduser().resolve()
        self._uri = resolve_uri(self._home, uri)
        self._experiment, self._model_name, self._store_uri = experiment, model_name, store_uri or ""
        self._parent = parent
        self._recipe: tuple[str, Mapping[str, Any], str] | None = None
        self._run, self._name = "", "isthmus"
        self._journal: Journal | None = None
        self._steps = _StepStates()
        self._lock = threading.RLock()
        self._batch: list[Record] = []
        self._lost = ""
        self._closed: DrainResult | None = None
        self._sampler = Sampler(self._sample)
        self._drainer = Drainer(self._home, self._uri, experiment)
        self._handlers: dict[str, Callable[[Event], None]] = {
            "run-started": self._run_started,
            "step-started": self._step_started,
            "metric": self._metric,
            "note": self._note,
            "step-finished": self._step_finished,
            "step-failed": self._step_failed,
            "step-skipped": self._step_skipped,
            "run-finished": self._run_finished,
        }
        self._drainer.start()

    @property
    def uri(self) -> str:
        """Where the runs go, without credentials."""
        return redact_text(self._uri)

    def recipe(self, params: Mapping[str, Any], yaml_text: str, name: str = "") -> None:
        """The recipe in force: its fields (nested or dotted) become the parent's parameters, the YAML an artifact."""
        with self._lock:
            self._recipe = (name, params, yaml_text)
            if self._journal is not None:
                self._guarded("recipe", self._log_recipe)

    def listen(self, event: Event) -> None:
        """Record one engine event. Never raises: a record that cannot be written is reported by :meth:`close`."""
        handler = self._handlers.get(str(event.get("kind")))
        if handler is None or self._closed is not None:
            return
        with self._lock:
            self._guarded(str(event.get("kind")), lambda: handler(event))

    def _guarded(self, what: str, write: Callable[[], None]) -> None:
        try:
            write()
            self._flush()
        except Exception as error:
            self._batch = []
            self._lost = redact_text(f"{what}: {type(error).__name__}: {error}")

    def close(self, timeout_s: float = 15.0) -> DrainResult:
        """Wait at most ``timeout_s`` for the records to reach MLflow. What is left is replayed by the next run."""
        if self._closed is not None:
            return self._closed
        self._sampler.stop()
        with self._lock:
            if self._journal is not None:
                self._journal.close()
        result = self._drainer.close(timeout_s)
        if self._lost:
            result = DrainResult(**{**vars(result), "problem": f"a record was lost ({self._lost}); {result.problem}"})
        self._closed = result
        return result

    # one handler per event kind -------------------------------------------------------------------------------------

    def _run_started(self, event: Event) -> None:
        self._run = str(event["run"])
        journal = Journal(outbox_root(self._home), self._run)
        if not journal.lock():
            raise RuntimeError(f"another process tracks the run {self._run}")
        if self._recipe is None and event.get("recipe"):
            self._recipe = ("", dict(event["recipe"]), "")
        name = self._recipe[0] if self._recipe and self._recipe[0] else str(event.get("pipeline") or self._name)
        self._name = name
        tags = tags_of({"isthmus.run": self._run, "isthmus.kind": self.kind, "isthmus.recipe": name, **_made_by()})
        uri = "" if self._uri == default_uri(self._home) else redact_text(self._uri)
        self._journal = journal
        self._append(
            {"kind": "header", "format": FORMAT, "uri": uri, "experiment": self._experiment, "run": self._run},
            open_record(self._run, f"{name}-{self._run[-8:]}", ms_of(event), tags=tags, parent=self._parent),
        )
        self._drainer.attach(journal)
        if self._recipe is not None:
            self._log_recipe()

    def _step_started(self, event: Event) -> None:
        self._open_step(event, cached=False)
        self._sampler.begin(str(event["step"]))

    def _metric(self, event: Event) -> None:
        step = str(event["step"])
        self._open_step(event, cached=False)
        self._steps.curves.setdefault(step, set()).add(clean_name(str(event["name"])))
        value, index = float(event["value"]), int(event.get("index", 0))
        self._append(metric_record(self._uid(step), str(event["name"]), value, ms_of(event), index))

    def _note(self, event: Event) -> None:
        step = str(event.get("step") or "")
        if self._journal is None or self._steps.notes[step] >= MAX_NOTES:
            return
        self._steps.notes[step] += 1
        uid = self._uid(step) if step in self._steps.opened else self._run
        self._append(log_record(uid, tags=tags_of({f"note.{self._steps.notes[step]}": str(event.get("text", ""))})))

    def _step_finished(self, event: Event) -> None:
        step, cached = str(event["step"]), bool(event.get("cached"))
        self._sampler.end(step)
        self._open_step(event, cached=cached)
        self._steps.counts["hit" if cached else "ran"] += 1
        uid, facts = self._uid(step), dict(event.get("facts") or {})
        taken = frozenset(self._steps.curves.get(step, ()))
        self._append(self._details(event, seconds=not cached), facts_record(uid, facts, ms_of(event), taken=taken))
        self._steps.add_scalars(step, facts)
        self._append_inputs(uid, event)
        self._append_output(uid, event, cached=cached)
        self._append({**close_record(uid, "FINISHED", ms_of(event)), "made": not cached})

    def _step_failed(self, event: Event) -> None:
        step = str(event["step"])
        self._sampler.end(step)
        self._open_step(event, cached=False)
        self._steps.counts["failed"] += 1
        uid, log = self._uid(step), str(event.get("log") or "")
        error = str(event.get("error") or event.get("reason") or "")
        record = self._details(event, seconds=True)
        record["tags"].update(tags_of({"error": error, "log": log}))
        self._append(record)
        self._append_inputs(uid, event)
        files = staging.stage_log(log, self._next_folder())
        if files:
            self._append({"kind": "artifacts", "uid": uid, "files": files})
        self._append(close_record(uid, "FAILED", ms_of(event)))

    def _step_skipped(self, event: Event) -> None:
        self._steps.counts["skipped"] += 1
        reason = str(event.get("reason") or "not reached")
        self._append(log_record(self._run, tags=tags_of({f"skipped.{event['step']}": reason})))

    def _run_finished(self, event: Event) -> None:
        counts = {name: self._steps.counts[name] for name in ("ran", "hit", "failed", "skipped")}
        failed = counts["failed"] > 0 or event.get("state") == "FAILED"
        facts = {
            **({"steps": counts} if any(counts.values()) else {}),
            **({"seconds": event["seconds"]} if "seconds" in event else {}),
        }
        record = facts_record(self._run, facts, ms_of(event))
        record["tags"].update(tags_of({"error": event.get("error")}))
        # numbers of every step on the parent too, so that pipeline runs can be compared in one table
        record["metrics"] += facts_record(self._run, self._steps.scalars, ms_of(event))["metrics"]
        self._append(record, close_record(self._run, "FAILED" if failed else "FINISHED", ms_of(event)))

    # records -------------------------------------------------------------------------------------------------------

    def _append(self, *records: Record) -> None:
        if self._journal is None:
            raise RuntimeError("an event came before run-started")
        self._batch += records

    def _flush(self) -> None:
        """All records of one event go to disk in one write."""
        batch, self._batch = self._batch, []
        if batch and self._journal is not None:
            self._journal.append(*batch)
            self._drainer.notify()

    def _uid(self, step: str) -> str:
        return step_uid(self._run, step)

    def _open_step(self, event: Event, *, cached: bool) -> None:
        step = str(event["step"])
        if step in self._steps.opened:
            return
        self._steps.opened.add(step)
        origin = str(event.get("origin_run") or "") if cached else ""
        uid = self._uid(step)
        tags = tags_of(
            {
                "isthmus.run": self._run,
                "isthmus.kind": "step",
                "step.name": step,
                "step.cached": "true" if cached else "false",
                "step.origin_uid": step_uid(origin, step) if origin else uid,
            }
        )
        record = open_record(uid, step, ms_of(event), tags=tags, parent=self._run)
        self._append({**record, "origin": step_uid(origin, step) if origin else ""})

    def _details(self, event: Event, *, seconds: bool) -> Record:
        uid = self._uid(str(event["step"]))
        metrics = []
        if seconds and event.get("seconds") is not None:
            metrics.append(["seconds", float(event["seconds"]), ms_of(event), 0])
        names = ("key", "version", "output", "reason", "host")
        tags = {f"step.{name}": event.get(name) for name in names}
        tags |= {f"output.{name}": value for name, value in flatten(event.get("files") or {}).items()}
        tags |= {"step.cached": "true" if event.get("cached") else "false"}
        tags |= {"warnings": "; ".join(event.get("warnings") or ())}
        return log_record(uid, params=params_of(event.get("config") or {}), metrics=metrics, tags=tags_of(tags))

    def _append_inputs(self, uid: str, event: Event) -> None:
        inputs = [
            input_of(str(ref.get("step", name)), _digest(ref), context=name, key=ref.get("key"))
            for name, ref in dict(event.get("inputs") or {}).items()
        ]
        places = dict(event.get("locations") or {})
        outside = [
            input_of(name, str(digest), source=str(places.get(name, "")), context="external")
            for name, digest in dict(event.get("externals") or {}).items()
        ]
        if inputs or outside:
            self._append({"kind": "inputs", "uid": uid, "inputs": inputs + outside})
        if outside:
            self._append({"kind": "inputs", "uid": self._run, "inputs": outside})

    def _append_output(self, uid: str, event: Event, *, cached: bool) -> None:
        place = output_uri(str(event.get("output") or ""), self._store_uri)
        if not place:
            return
        export = event["step"] == EXPORT_STEP
        name = clean_name(self._model_name or self._name).replace("/", "-").replace(":", "-")
        model: Record = {
            "kind": "model",
            "uid": uid,
            "name": name,
            "key": str(event.get("key") or ""),
            "cached": cached,
        }
        remote = "://" in place and not place.startswith("file://")
        if remote or cached:  # that may take a network, or is not worth a copy: the thread reads it in the store
            self._append({"kind": "fetch", "uid": uid, "output": place, "manifest_only": cached})
            if export:
                self._append({**model, "output": place})
            return
        output = Folder.at(place)
        files = staging.stage_output(output, self._next_folder())
        self._append({"kind": "artifacts", "uid": uid, "files": files})
        if export:
            self._append_model(model, output)

    def _append_model(self, record: Record, output: Folder) -> None:
        into = self._next_folder()
        reason = staging.stage_model(output, into, limit=staging.model_limit(self._uri))
        if reason:
            self._append(log_record(record["uid"], tags=tags_of({"model.not_logged": reason})))
        else:
            self._append({**record, "staged": f"files/{into.name}/{staging.MODEL_FOLDER}"})

    def _log_recipe(self) -> None:
        if self._recipe is None:
            return
        _, params, text = self._recipe
        self._append(log_record(self._run, params=params_of(params)))
        if text:
            file = staging.stage_bytes("recipe.yaml", redact_text(text).encode(), self._next_folder(), folder="")
            self._append({"kind": "artifacts", "uid": self._run, "files": [file]})

    def _next_folder(self) -> Path:
        assert self._journal is not None
        self._steps.folders += 1
        return self._journal.files / str(self._steps.folders)

    def _sample(self, step: str, time_ms: int, index: int, values: Mapping[str, float]) -> None:
        metrics = [[clean_name(name), float(value), time_ms, index] for name, value in values.items()]
        if self._closed is None and self._journal is not None:  # from the sampler's thread: past the batch
            self._journal.append(log_record(self._uid(step), metrics=metrics))
            self._drainer.notify()


class _StepStates:
    """What was already said about each step of the run."""

    def __init__(self) -> None:
        self.opened: set[str] = set()
        self.curves: dict[str, set[str]] = {}
        self.notes: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.scalars: dict[str, float] = {}
        self.folders = 0

    def add_scalars(self, step: str, facts: Mapping[str, Any]) -> None:
        self.scalars.update({f"{step}.{name}": value for name, value in numbers(facts).items()})


def sync(home: Path, *, uri: str | None = None, timeout_s: float = 60.0) -> DrainResult:
    """Replay what earlier runs left in the outbox for the tracking store in force.

    Args:
        home: directory of the outbox.
        uri: as in :class:`Tracker`.
        timeout_s: the longest wait; what is left then stays in the outbox.
    """
    home = home.expanduser().resolve()
    drainer = Drainer(home, resolve_uri(home, uri), "isthmus")
    drainer.start()
    return drainer.close(timeout_s)


def _digest(ref: Mapping[str, Any]) -> str:
    return str(ref.get("digest") or ref.get("key") or "")


def _made_by() -> dict[str, Any]:
    from cluster.workflow.provenance import provenance

    made = provenance()
    return {"git.commit": made["git"], "host": made["host"], **{f"version.{n}": v for n, v in made["packages"].items()}}
