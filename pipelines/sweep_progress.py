"""What the user sees of a sweep while it works: a bar on a terminal, and a line for every trial that ends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipelines.sweep_trials import Trial, best_of, finished


class SweepProgress:
    """Listener of a sweep's events. Use as a context manager around the trials."""

    def __init__(self, console: Console, metric: str, mode: str, most: int) -> None:
        self._console, self._metric, self._mode, self._most = console, metric, mode, most
        self._began, self._shared = time.time(), set[str]()
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=console)
            self._task = self._bar.add_task("trials", total=most)

    def __enter__(self) -> SweepProgress:
        self._began = time.time()
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def listen(self, event: Mapping[str, Any], trials: Sequence[Trial]) -> None:
        trial = trials[int(event["number"])]
        if event["kind"] == "trial-event":
            self._step(trial, event["event"])
        if event["kind"] == "trial-finished":
            self._ended(trial, trials)

    def _step(self, trial: Trial, told: Mapping[str, Any]) -> None:
        """Steps before the last one are shared, and worth a line when they begin."""
        step = told.get("step")
        if told["kind"] == "step-started" and step != trial.graph.targets[-1]:
            self._line(f"{step} for trial {trial.number}")

    def _ended(self, trial: Trial, trials: Sequence[Trial]) -> None:
        ended = sum(t.state != "running" for t in trials)
        name, value = self._metric, trial.known(self._metric)
        what = f"{name} {value:.4g}" if value is not None else f"{trial.state} {trial.error}".strip()
        best = ""
        if finished(list(trials), name):
            winner = best_of(list(trials), name, self._mode)
            best = f"best {winner.known(name):.4g} ({winner.number})"
        settings = ", ".join(f"{k} {_short(v)}" for k, v in trial.params.items())
        source = " from the store" if trial.reused else ""
        self._line(f"trial {trial.number} ({ended}/{self._most}){source}: {what}; {best}; {settings}")
        if self._bar:
            self._bar.update(self._task, completed=ended, description=best or "trials")

    def _line(self, text: str) -> None:
        target = self._bar.console if self._bar else self._console
        target.print(f"[{time.time() - self._began:6.1f} s] {text}", markup=False, highlight=False, soft_wrap=True)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
