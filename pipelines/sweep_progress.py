"""What the user sees of a sweep while it works: a bar on a terminal, and a line for every trial that ends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipelines.sweep_trials import Trial, best_of, finished, short, worth


class SweepProgress:
    """Listener of a sweep's events. Use as a context manager around the trials."""

    def __init__(self, console: Console, metric: str, mode: str, most: int) -> None:
        self._console, self._metric, self._mode, self._most = console, metric, mode, most
        self._began = time.time()
        self._bar: Progress | None = None
        if console.is_terminal:
            told = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*told, TextColumn("left:"), TimeRemainingColumn(), console=console)
            self._task = self._bar.add_task("trials", total=most)

    def __enter__(self) -> SweepProgress:
        self._began = time.time()
        if self._bar:
            self._bar.start()
        good = {"max": "highest", "min": "lowest"}[self._mode]
        self._line(f"{self._most} trials at most; the {good} {self._metric} decides")
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
        name, value, best = self._metric, trial.known(self._metric), ""
        what = f"{name} {worth(name, value)}" if value is not None else f"{trial.state} {trial.error}".strip()
        if finished(list(trials), name):
            winner = best_of(list(trials), name, self._mode)
            best = f"best {worth(name, winner.known(name) or 0.0)} (trial {winner.number})"
        settings = ", ".join(f"{key} {short(value)}" for key, value in trial.params.items())
        source = " from the store" if trial.reused else ""
        told = "; ".join(part for part in (what, best, settings) if part)
        self._line(f"trial {trial.number} ({ended}/{self._most}){source}: {told}")
        if self._bar:
            self._bar.update(self._task, completed=ended, description=best or "trials")

    def _line(self, text: str) -> None:
        target = self._bar.console if self._bar else self._console
        target.print(f"[{time.time() - self._began:6.1f} s] {text}", markup=False, highlight=False, soft_wrap=True)
