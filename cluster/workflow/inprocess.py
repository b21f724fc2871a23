"""Runs jobs in this process, one after the other: for tests, for debugging, and where Ray is not wanted."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace

from cluster.workflow.capture import LONGEST_LOG
from cluster.workflow.events import Event
from cluster.workflow.job import Job, Outcome, run_job


class InProcess:
    """A dispatcher without Ray.

    Args:
        threads: jobs at a time. One by default: bodies that seed global random generators would disturb each other.
            A running body cannot be stopped; after :meth:`close` it is abandoned (its lease is not ours any more).
    """

    def __init__(self, threads: int = 1) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[Event | Outcome] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True, name="isthmus-step") for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def poll(self, timeout_s: float) -> list[Event | Outcome]:
        messages: list[Event | Outcome] = []
        with contextlib.suppress(queue.Empty):
            messages.append(self._told.get(timeout=timeout_s))
            while True:
                messages.append(self._told.get_nowait())
        return messages

    def cancel(self, name: str) -> None:
        """Not possible for a thread: it runs to its end, and cannot publish."""

    def close(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            lines: list[str] = []
            with _logging_into(lines):
                outcome = run_job(job, lambda event: self._told.put(dict(event)))
            self._told.put(replace(outcome, log="".join([*lines, outcome.log])[-LONGEST_LOG:]))


@contextlib.contextmanager
def _logging_into(lines: list[str]) -> Iterator[None]:
    """Collect what this thread logs at INFO and above."""
    handler = _Collect(lines, threading.get_ident())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


class _Collect(logging.Handler):
    def __init__(self, lines: list[str], thread: int) -> None:
        super().__init__(logging.INFO)
        self._lines, self._thread = lines, thread

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(self.format(record) + "\n")
