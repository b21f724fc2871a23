"""Where Tune asks for trials and tells of them. Imports Ray; :mod:`cluster.tuning` imports it when Ray is used.

Tune writes its own state to disk as a pickle. Of what a search knows nothing goes there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from cluster.tuning import EPOCH, FAILED, OUTCOME, STOPPED, Source
from cluster.workflow.mailbox import Inbox


class Ends:
    """Hands trials out, and their events and ends to the source, each end once, after the events before it."""

    def __init__(self, source: Source | None = None, inbox: Inbox | None = None) -> None:
        self._source, self._inbox = source, inbox
        self._ended: set[int] = set()

    def __reduce__(self) -> tuple[object, ...]:
        return (Ends, ())

    def __deepcopy__(self, memo: Any) -> Ends:
        return self

    def next(self) -> dict[str, Any] | None:
        """The next trial as Tune takes it."""
        task = self._source.next() if self._source else None
        return None if task is None else {"number": task.number, "task": dict(task.config)}

    def take(self) -> None:
        """Events that have arrived."""
        if self._source is None or self._inbox is None:
            return
        for told in self._inbox.take() or ():
            self._source.event(int(told["number"]), told["event"])

    def end(self, trial: Any, outcome: Mapping[str, Any]) -> None:
        number = int(trial.config["number"])
        if self._source is not None and number not in self._ended:
            self._ended.add(number)
            self.take()
            self._source.done(number, outcome)


class FromSource(Searcher):
    """Tune asks it for the next trial."""

    def __init__(self, ends: Ends) -> None:
        super().__init__()
        self._ends = ends

    def suggest(self, trial_id: str) -> Any:
        return self._ends.next() or Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The listener is told."""

    def save(self, checkpoint_path: str) -> None:
        """A search goes on from the store, never from a file of Tune's."""

    def restore(self, checkpoint_path: str) -> None:
        """As :meth:`save`."""


class Listener(tune.Callback):
    """Called by Tune in the driver's thread."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        self._ends.take()

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        if OUTCOME in result:
            self._ends.end(trial, result[OUTCOME])

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._ends.end(trial, {"state": STOPPED, "epochs": int((trial.last_result or {}).get(EPOCH, 0))})

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._ends.end(trial, {"state": FAILED, "error": _last_line(trial)})


def _last_line(trial: Any) -> str:
    try:
        lines = [line for line in open(trial.error_file).read().splitlines() if line.strip()]
    except (OSError, TypeError):
        lines = []
    return f"its process failed: {lines[-1].strip()}" if lines else "its process died"
