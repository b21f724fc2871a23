"""Applies tracking records to MLflow through ``MlflowClient``. The only module that talks to the tracking server.

Every record is idempotent in MLflow: parameters and tags are set, metric points carry their own time and index, inputs
are keyed by name and digest, artifacts overwrite, and a run is looked up by our uid before it is created whenever an
earlier attempt might have created it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from cluster.tracking import database
from cluster.tracking.outbox import Journal, Progress, Record
from cluster.tracking.records import log_record, tags_of

UID_TAG = "isthmus.uid"
PARENT_TAG = "mlflow.parentRunId"
# Without it MLflow 3's UI opens an experiment on its page of language-model traces instead of the runs.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
MAX_METRICS = 800  # with 100 parameters and 100 tags it makes the 1,000 entities of a request
MAX_PARAMS_OR_TAGS = 100
# Answers that say "this record can never be stored"; anything else may pass later.
_FINAL = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST", "RESOURCE_DOES_NOT_EXIST"})
_FINAL |= frozenset({"RESOURCE_ALREADY_EXISTS", "INVALID_STATE", "ENDPOINT_NOT_FOUND", "NOT_FOUND", "DATA_LOSS"})
_FINAL |= frozenset({"REQUEST_ENTITY_TOO_LARGE", "RESOURCE_LIMIT_EXCEEDED"})


class RecordRefused(Exception):
    """This record cannot be stored, now or later; the ones behind it can."""


def is_final(error: BaseException) -> bool:
    """True if trying again is pointless: the record itself is wrong, not the connection, the disk or the login."""
    if isinstance(error, RecordRefused | FileNotFoundError | TypeError | KeyError | AttributeError):
        return True
    response = getattr(error, "response", None)  # requests.HTTPError of an artifact upload
    if response is not None:
        return 400 <= response.status_code < 500 and response.status_code not in {401, 403, 408, 429}
    return getattr(error, "error_code", None) in _FINAL


class Store:
    """A connection to one tracking store and one experiment.

    Args:
        home: directory of the outbox and of the embedded database.
        uri: tracking URI as MLflow takes it.
        experiment: name of the experiment, made if it is not there.

    Raises:
        Exception: whatever MLflow raises while the store cannot be reached.
    """

    def __init__(self, home: Path, uri: str, experiment: str) -> None:
        database.initialise(uri)
        from mlflow.tracking import MlflowClient

        self.uri = uri
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.experiment_id = self._experiment(experiment, database.artifact_folder(home, uri))
        self._origins = _Origins(home, uri)
        self._apply: dict[str, Callable[[Journal, Progress, Record], None]] = {
            "open": self._open,
            "log": self._log,
            "inputs": self._inputs,
            "artifacts": self._artifacts,
            "fetch": self._fetch,
            "model": self._model,
            "close": self._close,
        }

    def apply(self, journal: Journal, progress: Progress, record: Record) -> None:
        """Store one record; ``progress`` learns the ids of runs.

        Raises:
            RecordRefused: it can never be stored.
            Exception: anything MLflow raises; see :func:`is_final`.
        """
        handler = self._apply.get(str(record.get("kind")))
        if handler is None:
            raise RecordRefused(f"unknown kind {record.get('kind')!r}")
        if record["kind"] != "open" and record.get("uid") not in progress.runs:
            self._find(progress, record["uid"])
        handler(journal, progress, record)

    def is_alive(self) -> bool:
        """True if the store answers a simple question."""
        try:
            self.client.get_experiment(self.experiment_id)
        except Exception:
            return False
        return True

    def remove_doubles(self, progress: Progress) -> None:
        """Delete runs that a lost answer made twice: same uid, but not the one our records went to, or the first."""
        for uid in list(progress.unsure):
            found = [run.info.run_id for run in self._search(uid)]
            keep = progress.runs.get(uid) or next(iter(found), None)
            for run_id in found:
                if run_id != keep:
                    self.client.delete_run(run_id)
            progress.unsure.remove(uid)

    def _experiment(self, name: str, artifacts: Path | None) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = artifacts.as_uri() if artifacts else None
            try:
                return str(self.client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS))
            except Exception:
                found = self.client.get_experiment_by_name(name)  # another driver was faster
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _search(self, uid: str) -> list[Any]:
        query = f"tags.`{UID_TAG}` = '{uid}'"
        found = self.client.search_runs([self.experiment_id], filter_string=query, max_results=20)
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def _find(self, progress: Progress, uid: str) -> str:
        found = self._search(uid)
        if not found:
            raise RecordRefused(f"the run {uid} was never created")
        progress.runs[uid] = found[0].info.run_id
        return progress.runs[uid]

    def _open(self, journal: Journal, progress: Progress, record: Record) -> None:
        uid = record["uid"]
        if uid in progress.runs:
            return
        tried_before = uid in progress.unsure
        if not tried_before:
            progress.unsure.append(uid)  # until an answer arrives this run may or may not exist, even if we die now
            journal.save_progress(progress)
        known = self._search(uid) if tried_before else []
        run = known[0] if known else self._create(progress, record)
        progress.runs[uid] = run.info.run_id
        if not tried_before:
            progress.unsure.remove(uid)
        if uid not in progress.unfinished:
            progress.unfinished.append(uid)

    def _create(self, progress: Progress, record: Record) -> Any:
        tags = {**record["tags"], UID_TAG: record["uid"]}
        if parent := record.get("parent"):
            tags[PARENT_TAG] = progress.runs.get(parent) or self._find(progress, parent)
        if origin := record.get("origin"):
            tags["step.origin_run"] = self._origins.get(origin) or origin
        return self.client.create_run(
            self.experiment_id, start_time=record["time_ms"], tags=tags, run_name=record["name"]
        )

    def _log(self, journal: Journal, progress: Progress, record: Record) -> None:
        from mlflow.entities import Metric, Param, RunTag

        run_id = progress.runs[record["uid"]]
        metrics = iter([Metric(n, v, t, i) for n, v, t, i in record["metrics"]])
        params = iter([Param(n, v) for n, v in record["params"].items()])
        tags = iter([RunTag(n, v) for n, v in record["tags"].items()])
        while True:
            batch: dict[str, Any] = {
                "metrics": list(islice(metrics, MAX_METRICS)),
                "params": list(islice(params, MAX_PARAMS_OR_TAGS)),
                "tags": list(islice(tags, MAX_PARAMS_OR_TAGS)),
            }
            if not any(batch.values()):
                return
            self.client.log_batch(run_id, **batch)

    def _inputs(self, journal: Journal, progress: Progress, record: Record) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        datasets = [
            DatasetInput(
                dataset=Dataset(
                    name=item["name"],
                    digest=item["digest"],
                    source_type="isthmus",
                    source=json.dumps({"uri": item["source"]}),
                ),
                tags=[InputTag(n, v) for n, v in {"mlflow.data.context": item["context"], **item["tags"]}.items()],
            )
            for item in record["inputs"]
        ]
        self.client.log_inputs(progress.runs[record["uid"]], datasets=datasets)

    def _artifacts(self, journal: Journal, progress: Progress, record: Record) -> None:
        run_id = progress.runs[record["uid"]]
        for item in record["files"]:
            self.client.log_artifact(run_id, str(journal.path / item["staged"]), item["folder"] or None)

    def _fetch(self, journal: Journal, progress: Progress, record: Record) -> None:
        from cluster.tracking.staging import stage_output
        from components.files import Folder

        into = journal.files / "fetched"
        shutil.rmtree(into, ignore_errors=True)
        files = stage_output(Folder.at(record["output"]), into, manifest_only=record["manifest_only"])
        self._artifacts(journal, progress, {**record, "files": files})

    def _model(self, journal: Journal, progress: Progress, record: Record) -> None:
        from cluster.tracking import staging
        from cluster.tracking.model import find_registered, log_model

        run_id = progress.runs[record["uid"]]
        try:
            name, key = record["name"], str(record.get("key", ""))
            tags = find_registered(self.client, name, key) if record.get("cached") else None
            if tags is None:
                folder = _model_folder(journal, record, staging.model_limit(self.uri))
                tags = log_model(self.client, self.experiment_id, run_id, folder, name, key=key)
        except Exception as error:
            if not is_final(error) and not self.is_alive():
                raise
            tags = {"model.not_logged": f"{type(error).__name__}: {error}"}
        self._log(journal, progress, log_record(record["uid"], tags=tags_of(tags)))

    def _close(self, journal: Journal, progress: Progress, record: Record) -> None:
        self.client.set_terminated(progress.runs[record["uid"]], record["status"], record["time_ms"])
        if record["uid"] in progress.unfinished:
            progress.unfinished.remove(record["uid"])
            if record.get("made"):
                self._origins.add(record["uid"], progress.runs[record["uid"]])


class _Origins:
    """Which MLflow run made which output: ``home/outbox/origins.jsonl``, one line per step that really ran."""

    def __init__(self, home: Path, uri: str) -> None:
        from cluster.tracking.outbox import outbox_root
        from cluster.tracking.redact import redact_text

        self._path = outbox_root(home) / "origins.jsonl"
        self._store = redact_text(uri)
        self._known: dict[str, str] = dict(self._read())

    def get(self, uid: str) -> str | None:
        return self._known.get(uid)

    def add(self, uid: str, run_id: str) -> None:
        self._known[uid] = run_id
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps([self._store, uid, run_id]) + "\n")

    def _read(self) -> Iterable[tuple[str, str]]:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                store, uid, run_id = json.loads(line)
            except ValueError:
                continue
            if store == self._store:
                yield uid, run_id


def _model_folder(journal: Journal, record: Record, limit: int) -> Path:
    from cluster.tracking import staging
    from components.files import Folder

    if "output" not in record:
        return journal.path / str(record["staged"])
    into = journal.files / "fetched-model"
    reason = staging.stage_model(Folder.at(record["output"]), into, limit=limit)
    if reason:
        raise RecordRefused(reason)
    return into / staging.MODEL_FOLDER
