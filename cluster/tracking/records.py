"""Engine events -> tracking records: pure functions on dicts, no MLflow.

A record is one idempotent instruction for :mod:`cluster.tracking.client`, addressed by our own uid: the run id for the
pipeline's parent run, ``<run id>/<step>`` for a step's child run. Limits of MLflow's entities are met here, secrets are
masked here, so what lies in the outbox is what will be sent.

==========  ====================================================================================
kind        fields besides ``uid``
==========  ====================================================================================
open        name, parent (uid or null), time_ms, tags, origin (uid of the run that made it, or "")
log         params {name: text}, metrics [[name, value, time_ms, index]], tags {name: text}
inputs      inputs [{name, digest, source, context, tags}]
artifacts   files [{staged (path below the outbox folder), folder (in MLflow)}]
fetch       output (URI of a remote step folder, staged by the drainer), manifest_only
model       staged (folder below the outbox folder) or output (URI of the step), name (of the registered model),
            key (of the step), cached (true: if a version of this key is there, it only gets the alias)
close       status (FINISHED, FAILED, KILLED), time_ms, made (true: later hits name this run as their origin)
==========  ====================================================================================
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from cluster.tracking.outbox import Record
from cluster.tracking.redact import MASK, is_secret_key, redact_text
from cluster.workflow.keys import flatten

MAX_NAME = 250
MAX_PARAM = 6000
MAX_TAG = 5000  # servers before MLflow 2.21 take no more
MAX_DIGEST = 36
MAX_CURVE = 1000
_FORBIDDEN_IN_NAMES = re.compile(r"[^\w\-. /:]")


def step_uid(run_id: str, step: str) -> str:
    return f"{run_id}/{step}"


def output_uri(place: str, store_uri: str = "") -> str:
    """A step's output as a local path or a URI without credentials; empty if the place cannot be opened from here.

    Args:
        place: path on the store's filesystem, e.g. ``bucket/objects/cca-ab12`` on an object store.
        store_uri: the store's URI; its scheme and query say how to open the place.
    """
    if not place or place.startswith("/") or "://" in place:
        return place
    store = urlsplit(store_uri)
    return urlunsplit((store.scheme, *place.partition("/")[::2], store.query, "")) if store.scheme else ""


def clean_name(name: str) -> str:
    """A name that MLflow takes for a parameter, metric or tag: letters, digits and ``_-. /:``, at most 250."""
    cleaned = _FORBIDDEN_IN_NAMES.sub("_", name).strip("/ .") or "_"
    return re.sub(r"/{2,}", "/", cleaned)[:MAX_NAME]


def cut(text: str, limit: int) -> str:
    """The text, or its beginning with a marker that says how long it was."""
    if len(text) <= limit:
        return text
    marker = f" … [cut: {len(text)} characters in all]"
    return text[: limit - len(marker)] + marker


def params_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Flattened configuration as MLflow parameters, masked and cut to 6,000 characters."""
    params = {}
    for name, value in flatten(config).items():
        text = MASK if is_secret_key(name) and value is not None else redact_text(_as_text(value))
        params[clean_name(name)] = cut(text, MAX_PARAM)
    return params


def tags_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Tags as masked, cut text; None and empty values are left out."""
    kept = ((name, _as_text(value)) for name, value in values.items() if value is not None and value != "")
    return {clean_name(n): MASK if is_secret_key(n) else cut(redact_text(t), MAX_TAG) for n, t in kept}


def ms_of(event: Mapping[str, Any]) -> int:
    """When an event happened, in milliseconds."""
    return int(float(event.get("time") or time.time()) * 1000)


def open_record(uid: str, name: str, time_ms: int, *, tags: Mapping[str, str], parent: str = "") -> Record:
    return {"kind": "open", "uid": uid, "name": name, "time_ms": time_ms, "tags": dict(tags), "parent": parent}


def close_record(uid: str, status: str, time_ms: int) -> Record:
    return {"kind": "close", "uid": uid, "status": status, "time_ms": time_ms}


def log_record(
    uid: str, *, params: Mapping[str, str] | None = None, metrics: list[Any] | None = None, tags: Any = None
) -> Record:
    return {"kind": "log", "uid": uid, "params": params or {}, "metrics": metrics or [], "tags": tags or {}}


def metric_record(uid: str, name: str, value: float, time_ms: int, index: int = 0) -> Record:
    """One point of a curve. A NaN or infinite value becomes a tag: MLflow would take it for a number."""
    if math.isfinite(value):
        return log_record(uid, metrics=[[clean_name(name), float(value), time_ms, int(index)]])
    return log_record(uid, tags=tags_of({f"nonfinite.{name}": f"{value} at index {index}"}))


def facts_record(uid: str, facts: Mapping[str, Any], time_ms: int, *, taken: frozenset[str] = frozenset()) -> Record:
    """Facts of a step: numbers as metrics, lists of numbers as curves over their position, the rest as ``fact.`` tags.

    Args:
        taken: metric names that already hold a curve; a fact of that name goes to ``final.<name>``.
    """
    metrics: list[Any] = []
    tags: dict[str, Any] = {}
    for name, value in flatten(facts).items():
        key = clean_name(f"final.{name}" if clean_name(name) in taken else name)
        points = _points(value)
        if points is None:
            tags[f"fact.{name}"] = value
            continue
        metrics += [[key, v, time_ms, i] for i, v in enumerate(points) if math.isfinite(v)]
        bad = [i for i, v in enumerate(points) if not math.isfinite(v)]
        if bad:
            tags[f"nonfinite.{name}"] = f"{points[bad[0]]} at index {bad[0]} ({len(bad)} of {len(points)} values)"
    return log_record(uid, metrics=metrics, tags=tags_of(tags))


def input_of(name: str, digest: str, *, source: str = "", context: str, **tags: Any) -> dict[str, Any]:
    """A dataset input. MLflow keeps 36 characters of the digest; the whole of it goes into the tag ``digest``."""
    whole = digest.removeprefix("sha256:")
    return {
        "name": cut(redact_text(name), 500),
        "digest": whole[:MAX_DIGEST] or "unknown",
        "source": redact_text(source),
        "context": context,
        "tags": {k: cut(v, 500) for k, v in tags_of({"digest": digest, **tags}).items()},
    }


def _points(value: Any) -> list[float] | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, list | tuple) and 0 < len(value) <= MAX_CURVE:
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
            return [float(v) for v in value]
    return None


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str, sort_keys=True)
