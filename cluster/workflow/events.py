"""What the engine tells its listeners: plain dicts, so that progress bars and MLflow records need no types of ours.

Every event has ``kind`` (one of :class:`Kind`), ``time`` (unix seconds) and ``run`` (id); a step's also have ``step``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

Event = dict[str, Any]
Listener = Callable[[Event], None]

_log = logging.getLogger("isthmus.workflow")


class Kind(StrEnum):
    """Names of events, and what they carry beside kind, time, run (and step)."""

    RUN_STARTED = "run-started"  # pipeline, steps: names in order, recipe
    STEP_PLANNED = "step-planned"  # key, status: hit|miss|stale, needed, reasons, warnings
    STEP_WAITING = "step-waiting"  # holder: who is making it
    STEP_STARTED = "step-started"  # key, version, config, reasons, inputs
    PROGRESS = "progress"  # done, total (or None), unit
    METRIC = "metric"  # name, value, index
    NOTE = "note"  # text
    PLACED = "placed"  # nodes: id of a node -> pieces of the step (or workers of a training) that ran there
    STEP_FINISHED = "step-finished"  # see cluster.workflow.results.finished_fields
    STEP_FAILED = "step-failed"  # error: one sentence, log: path or None, seconds, key, version, config, inputs
    STEP_SKIPPED = "step-skipped"  # reason
    RUN_FINISHED = "run-finished"  # state: DONE|FAILED, seconds, steps: name -> state, error


class Announcer:
    """Sends the events of one run to a listener, and protects the run from it."""

    def __init__(self, run_id: str, listener: Listener | None) -> None:
        self._run_id, self._listener, self._complained = run_id, listener, False

    def __call__(self, kind: Kind, step: str | None = None, **fields: Any) -> None:
        self.forward({"kind": kind.value, **({"step": step} if step else {}), **fields})

    def forward(self, event: Event) -> None:
        """Complete an event and hand it over. What a listener raises is logged once and ends here."""
        if self._listener is None:
            return
        try:
            self._listener({"time": time.time(), **event, "run": self._run_id})
        except Exception:
            if not self._complained:
                _log.exception("a listener failed; the run goes on without caring about it")
            self._complained = True


def flush(emit: Callable[..., None]) -> None:
    """Wait until what this process emitted has arrived, where events travel at all."""
    wait = getattr(emit, "flush", None)
    if wait is not None:
        wait()
