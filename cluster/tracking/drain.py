"""The background thread that carries records from the outbox into MLflow, and what it reports at the end.

It is a daemon: a request that hangs can delay neither the run nor the interpreter's exit. Failures that may pass
(connection, 5xx, locked database, login) are tried again with growing pauses; a record that a healthy store refuses is
set aside in ``rejected.jsonl``, so that it cannot block the ones behind it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.tracking import environment
from cluster.tracking.client import Store, is_final
from cluster.tracking.outbox import Journal, Progress, Record, keep_rejected, leftovers
from cluster.tracking.records import close_record, log_record
from cluster.tracking.redact import redact_text

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
MAX_ATTEMPTS = 5
MAX_MERGED = 2000


@dataclass(frozen=True, kw_only=True)
class DrainResult:
    """What became of the records.

    Attributes:
        pending: records that still wait in the outbox for this tracking URI.
        uri: where they go, without credentials.
        parent_run_id: MLflow's id of the pipeline run, or None if it was not created yet.
        rejected: records that the store refused for good; they are in ``home/outbox/rejected.jsonl``.
        problem: why records wait, in one sentence; empty if none do.
        seconds: time spent waiting in this call.
    """

    pending: int
    uri: str
    parent_run_id: str | None = None
    rejected: int = 0
    problem: str = ""
    seconds: float = 0.0


class Applier:
    """Applies journals to one store; connects on first use and again after a failure to connect.

    Args:
        home: the directory that holds the outbox.
        uri: tracking URI.
        experiment: name of the experiment used when a journal does not name one.
    """

    def __init__(self, home: Path, uri: str, experiment: str) -> None:
        self.home, self.uri, self.experiment = home, uri, experiment
        self.rejected = 0
        self.problem = ""
        self._stores: dict[str, Store] = {}
        self._log = logging.getLogger("isthmus.tracking")

    def connect(self, experiment: str = "") -> Store:
        """The connection to an experiment. Raises whatever MLflow raises if the store cannot be reached."""
        name = experiment or self.experiment
        if name not in self._stores:
            self._stores[name] = Store(self.home, self.uri, name)
        return self._stores[name]

    def drain(self, journal: Journal, progress: Progress, stop: Callable[[], bool]) -> bool:
        """Apply what the journal holds beyond ``progress``. False if a failure that may pass ended it early."""
        header = journal.header()
        try:
            store = self.connect(str(header.get("experiment", "")) if header else "")
        except Exception as error:
            return self.failed(error)
        for offset, record in _merged(journal, progress.offset):
            if stop():
                return True
            if not self._apply(store, journal, progress, record):
                return False
            progress.offset, progress.attempts = offset, 0
            journal.save_progress(progress)
        self.problem = ""
        return True

    def finish(self, journal: Journal, progress: Progress) -> bool:
        """End the runs that a dead driver left open, remove doubles, delete the journal. False if that failed."""
        try:
            header = journal.header()
            store = self.connect(str(header.get("experiment", "")) if header else "")
            for uid in list(progress.unfinished):
                for record in _epitaph(uid, journal.records.stat().st_mtime):
                    if not self._apply(store, journal, progress, record):
                        return False
            store.remove_doubles(progress)
        except Exception as error:
            return self.failed(error)
        journal.remove()
        return True

    def replay(self, journal: Journal, stop: Callable[[], bool]) -> bool:
        """Carry a dead run's journal over. The caller holds its lock. False if a failure that may pass ended it."""
        progress = journal.load_progress()
        progress.unsure = sorted({*progress.unsure, *(u for u in _opened(journal) if u not in progress.runs)})
        if not self.drain(journal, progress, stop):
            journal.save_progress(progress)
            return False
        return stop() or self.finish(journal, progress)

    def _apply(self, store: Store, journal: Journal, progress: Progress, record: Record | None) -> bool:
        if record is None or record["kind"] == "header":  # a torn line, or the first one
            return True
        while True:
            try:
                store.apply(journal, progress, record)
                return True
            except Exception as error:
                progress.attempts += 1
                if not is_final(error) and progress.attempts < MAX_ATTEMPTS:
                    return self.failed(error)
                if not store.is_alive():
                    return self.failed(error)
                # a healthy store refuses it; unless it said so plainly, it gets one more chance right away
                if is_final(error) or progress.attempts > MAX_ATTEMPTS:
                    self._reject(journal, record, error)
                    return True

    def _reject(self, journal: Journal, record: Record, error: Exception) -> None:
        reason = redact_text(f"{type(error).__name__}: {error}")
        self.rejected += 1
        self._log.error("record of run %s refused: %s", journal.run_id, reason)
        keep_rejected(self.home, journal.run_id, record, reason)

    def failed(self, error: Exception) -> bool:
        """Remember why the store cannot be used now. Always False."""
        text = redact_text(f"{type(error).__name__}: {error}").splitlines()[0][:500]
        self.problem = text
        self._log.warning("tracking store not reachable: %s", text)
        return False


class Drainer:
    """Owns the thread. ``start`` it early: importing MLflow takes seconds and can overlap with the run."""

    def __init__(self, home: Path, uri: str, experiment: str) -> None:
        self._home, self._uri = home, uri
        self._applier = Applier(home, uri, experiment)
        self._wake = threading.Condition()
        self._journal: Journal | None = None
        self._progress = Progress()
        self._closing = self._stopped = self._idle = False
        self._failures_while_closing = 0
        self._thread = threading.Thread(target=self._run, name="isthmus-tracking", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def attach(self, journal: Journal) -> None:
        """Give the thread the running pipeline's journal (locked by the caller)."""
        with self._wake:
            self._journal, self._idle = journal, False
            self._wake.notify_all()

    def notify(self) -> None:
        """New records were written."""
        with self._wake:
            self._idle = False
            self._wake.notify_all()

    def close(self, timeout_s: float) -> DrainResult:
        """Wait until everything is in MLflow, the store proves unreachable, or the time is over."""
        start = time.monotonic()
        with self._wake:
            self._closing, self._idle = True, False
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._stopped, timeout_s)
            self._closing = self._stopped = True  # the thread stops after the record it is at
        return self._result(time.monotonic() - start)

    def _result(self, seconds: float) -> DrainResult:
        pending = 0
        if self._journal is not None and self._journal.path.exists():
            pending = self._journal.num_pending(self._journal.load_progress())
        pending += sum(_pending_for(j, self._uri, self._home) for j in leftovers(self._home, but=self._own_name()))
        problem = self._applier.problem or ("the tracking store did not answer in time" if pending else "")
        return DrainResult(
            pending=pending,
            uri=redact_text(self._uri),
            parent_run_id=self._progress.runs.get(self._own_name()),
            rejected=self._applier.rejected,
            problem=problem if pending else "",
            seconds=seconds,
        )

    def _own_name(self) -> str:
        return self._journal.run_id if self._journal else ""

    def _run(self) -> None:
        try:
            environment.prepare(self._home)
            self._loop()
        except Exception as error:  # a bug here must not print a traceback into the user's run
            logging.getLogger("isthmus.tracking").exception("the tracking thread failed")
            self._applier.problem = f"{type(error).__name__}: {error}"
        finally:
            with self._wake:
                self._stopped = True
                self._wake.notify_all()
            if self._journal is not None:
                self._journal.unlock()  # what is left may be replayed by anybody

    def _loop(self) -> None:
        pause, replayed = FIRST_PAUSE_S, False
        while not self._stopped:
            healthy = self._pass()
            if healthy and not replayed and self._caught_up():
                replayed = True
                healthy = replay_all(self._applier, self._home, self._stop, but=self._own_name())
            if healthy:
                pause = FIRST_PAUSE_S
                if self._closing and self._caught_up():
                    self._finish()
                    return
                self._sleep(None)
                continue
            if self._closing:
                self._failures_while_closing += 1
                if self._failures_while_closing >= 2:
                    return
            self._sleep(pause)
            pause = FIRST_PAUSE_S if self._closing else min(2 * pause, LONGEST_PAUSE_S)

    def _pass(self) -> bool:
        with self._wake:
            self._idle = True
            journal = self._journal
        if journal is None:
            try:
                self._applier.connect()
            except Exception as error:
                return self._applier.failed(error)
            return True
        return self._applier.drain(journal, self._progress, self._stop)

    def _stop(self) -> bool:
        return self._stopped

    def _caught_up(self) -> bool:
        return self._idle

    def _sleep(self, seconds: float | None) -> None:
        with self._wake:
            if seconds is None:
                self._wake.wait_for(lambda: not self._idle or self._stopped)
            else:
                was_closing = self._closing
                self._wake.wait_for(lambda: self._stopped or self._closing != was_closing, seconds)

    def _finish(self) -> None:
        if self._journal is not None:
            self._applier.finish(self._journal, self._progress)


def replay_all(applier: Applier, home: Path, stop: Callable[[], bool], *, but: str = "") -> bool:
    """Replay every journal for the applier's store whose writer is dead. False if the store stopped answering."""
    for journal in leftovers(home, but=but):
        if stop():
            return True
        if journal.is_abandoned_empty():
            journal.remove()
        if not _is_for(journal, applier.uri, home) or not journal.lock():
            continue
        try:
            if not applier.replay(journal, stop):
                return False
        finally:
            journal.unlock()
    return True


def target_of(header: Record, home: Path, uri: str) -> str:
    """The URI that a journal's records belong to; ``uri`` itself if it is the same one without its credentials."""
    from cluster.tracking.database import default_uri

    written = str(header.get("uri", ""))
    if not written:
        return default_uri(home)
    return uri if redact_text(uri) == written else written


def _is_for(journal: Journal, uri: str, home: Path) -> bool:
    header = journal.header()
    return header is not None and target_of(header, home, uri) == uri


def _pending_for(journal: Journal, uri: str, home: Path) -> int:
    if not _is_for(journal, uri, home) or not journal.lock():
        return 0  # for another store, or its own living run takes care of it
    try:
        return journal.num_pending(journal.load_progress())
    finally:
        journal.unlock()


def _opened(journal: Journal) -> list[str]:
    return [record["uid"] for _, record in journal.read(0) if record and record["kind"] == "open"]


def _epitaph(uid: str, time_s: float) -> list[Record]:
    tags = {"isthmus.ended": "the driver stopped before this run ended"}
    return [log_record(uid, tags=tags), close_record(uid, "KILLED", int(time_s * 1000))]


def _merged(journal: Journal, offset: int) -> Iterator[tuple[int, Record | None]]:
    """The journal's records; a stretch of ``log`` records becomes one per run. The order within a run stays.

    Each comes with the offset that is reached once it is applied: inside a stretch that is still its beginning.
    """
    held: dict[str, Record] = {}
    start = end = offset
    for position, record in journal.read(offset):
        kind = record["kind"] if record else ""
        if held and (kind != "log" or sum(len(r["metrics"]) for r in held.values()) >= MAX_MERGED):
            yield from _released(held, start, end)
            held, start = {}, end
        if record is not None and kind == "log":
            _join(held.setdefault(record["uid"], {**record, "metrics": [], "params": {}, "tags": {}}), record)
        else:
            yield position, record
            start = position
        end = position
    yield from _released(held, start, end)


def _released(held: dict[str, Record], start: int, end: int) -> Iterator[tuple[int, Record]]:
    for number, record in enumerate(held.values(), start=1):
        yield (end if number == len(held) else start), record


def _join(held: Record, record: Record) -> None:
    held["metrics"] = [*held["metrics"], *record["metrics"]]
    held["params"] = {**held["params"], **record["params"]}
    held["tags"] = {**held["tags"], **record["tags"]}
