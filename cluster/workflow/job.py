"""One attempt at a step: what travels to where it runs, and what comes back. The same code in process and on Ray."""

from __future__ import annotations

import json
import math
import secrets
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.places import here
from cluster.workflow.events import Event, flush
from cluster.workflow.failures import sentence
from cluster.workflow.keys import check_json
from cluster.workflow.manifest import FileEntry, describe_files
from cluster.workflow.peak_memory import PeakMemory
from cluster.workflow.step import Emit, Facts, Resources, Step, StepContext
from components.errors import UserError
from components.files import Folder

MAX_FACTS = 256 << 10  # bytes of JSON
_PROGRESS_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Job:
    """A step with its folders. ``draft`` belongs to the lease; each attempt gets a folder of its own below it."""

    step: Step
    key: str
    draft: Folder
    work: Folder
    inputs: Mapping[str, Folder]

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def resources(self) -> Resources:
        return self.step.resources


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        error: one sentence, or None if it worked.
        node: where it ran (:func:`cluster.places.here`).
        made, files: the attempt's folder and its files with digests.
        facts: what the body returned.
        log: the last part of what the body printed and logged, with the traceback of a failure.
        cpu_seconds: of the process of the body, all its threads.
        peak_bytes: most memory that the process of the body had resident meanwhile, with what it had before; None
            where the system does not tell.
    """

    name: str
    seconds: float
    error: str | None = None
    node: str = ""
    made: Folder | None = None
    files: tuple[FileEntry, ...] = ()
    facts: Facts = field(default_factory=dict)
    log: str = ""
    cpu_seconds: float = 0.0
    peak_bytes: int | None = None


class Dispatcher(Protocol):
    """Runs jobs somewhere. All methods are called from the executor's thread only."""

    def submit(self, job: Job) -> None:
        """Start a job; returns at once."""

    def poll(self, timeout_s: float) -> Sequence[Event | Outcome]:
        """Events and ends of jobs, in order, as soon as there are any; an empty list after ``timeout_s``."""

    def cancel(self, name: str) -> None:
        """Stop a job whose lease was lost, if that is possible; its outcome may or may not still come."""

    def close(self) -> None:
        """Give back everything. Jobs that still run are stopped or abandoned."""


def run_job(job: Job, emit: Emit) -> Outcome:
    """Run a step's body in this process. Never raises for what the body does."""
    started, cpu, memory = time.monotonic(), time.process_time(), PeakMemory()
    try:
        made = job.draft.sub(secrets.token_hex(4)).make()
        facts = clean_facts(job.step.body()(_context(job, made, emit)), job.name)
        files = describe_files(made)
    except (Exception, SystemExit) as exc:
        log = "".join(traceback.format_exception(exc))
        return Outcome(name=job.name, seconds=time.monotonic() - started, error=sentence(exc), log=log)
    seconds = time.monotonic() - started
    return Outcome(
        name=job.name,
        seconds=seconds,
        node=here(),
        made=made,
        files=files,
        facts=facts,
        cpu_seconds=time.process_time() - cpu,
        peak_bytes=memory.bytes(),
    )


def clean_facts(facts: Any, step: str) -> Facts:
    """The facts as plain JSON: numpy scalars as numbers, NaN and infinities as the strings ``NaN``, ``±Infinity``.

    Raises:
        UserError: not a dict, not JSON, or more than 256 KiB.
    """
    if not isinstance(facts, Mapping):
        raise UserError(f"the body of step {step} returned {type(facts).__name__}", do="return a dict of facts")
    clean = check_json(_plain(facts), f"facts of {step}")
    size = len(json.dumps(clean, ensure_ascii=False).encode())
    if size > MAX_FACTS:
        raise UserError(
            f"the facts of step {step} take {size:,} bytes, more than {MAX_FACTS:,}", do="write data to files in out"
        )
    return dict(clean)


def _plain(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of numpy or torch
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _context(job: Job, made: Folder, emit: Emit) -> StepContext:
    step = job.step
    return StepContext(
        name=step.name,
        key=job.key,
        out=made,
        work=job.work.make(),
        inputs=job.inputs,
        config=step.config,
        locations=step.locations,
        options=step.options,
        emit=Throttle(emit),
    )


class Throttle:
    """Stamps events with the time, and lets through ten progress events a second (and the last one). Picklable."""

    def __init__(self, emit: Emit) -> None:
        self._emit, self._last = emit, 0.0

    def __call__(self, event: Mapping[str, Any]) -> None:
        now = time.time()
        if event.get("kind") == "progress" and event.get("done") != event.get("total"):
            if now - self._last < _PROGRESS_EVERY_S:
                return
            self._last = now
        self._emit({"time": now, **event})

    def flush(self) -> None:
        """As :func:`cluster.workflow.events.flush`."""
        flush(self._emit)
