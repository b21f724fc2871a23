"""What the user sees while a run works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

STATES = {
    "hit": "[dim]cached[/dim]",
    "wait": "[dim]waiting[/dim]",
    "lease": "[yellow]other run[/yellow]",
    "run": "[cyan]running[/cyan]",
    "done": "[green]done[/green]",
    "failed": "[bold red]failed[/bold red]",
    "skipped": "[dim]skipped[/dim]",
}
LINE_EVERY_S = 5.0
REFRESH_PER_S = 4


@dataclass
class _Row:
    state: str = "wait"
    started: float = 0.0
    seconds: float = 0.0
    done: int = 0
    total: int | None = None
    unit: str = "rows"
    detail: str = ""
    last_line: float = 0.0
    first: tuple[float, int] | None = None  # when rows began to arrive: start-up must not spoil the estimate

    def rate(self, now: float) -> float:
        """Units a second since the first ones came."""
        since, done = self.first or (self.started, 0)
        return (self.done - done) / max(now - since, 1e-3)

    def text(self, now: float) -> str:
        """Progress of a running row: count, rate and remaining time."""
        if not self.done:
            return self.detail
        parts = [f"{self.done:,}{f'/{self.total:,}' if self.total else ''} {self.unit}"]
        rate = self.rate(now)
        if rate > 0:
            parts.append(f"{rate:,.0f} {self.unit}/s" if rate >= 1 else f"{rate:.2f} {self.unit}/s")
            if self.total:
                parts.append(f"eta {(self.total - self.done) / rate:,.0f} s")
        return "  ".join(parts + ([self.detail] if self.detail else []))


@dataclass
class Progress:
    """Listener of the executor's events. Use as a context manager around the run."""

    console: Console
    rows: dict[str, _Row] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    _live: Live | None = None

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self._table, console=self.console, refresh_per_second=REFRESH_PER_S, transient=False
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def listen(self, event: Mapping[str, Any]) -> None:
        handler = getattr(self, "_on_" + str(event["kind"]).replace("-", "_"), None)
        if handler:
            handler(event)

    def _row(self, event: Mapping[str, Any]) -> _Row:
        return self.rows.setdefault(str(event["step"]), _Row())

    def _line(self, step: str, text: str, *, always: bool = True) -> None:
        row = self.rows.get(step, _Row())
        if self._live or (not always and time.time() - row.last_line < LINE_EVERY_S):
            return
        row.last_line = time.time()
        self.console.print(f"[{time.time() - self.began:6.1f} s] {step:<22} {text}", markup=False, highlight=False)

    def _on_step_planned(self, event: Mapping[str, Any]) -> None:
        row = self._row(event)
        hit = event["status"] == "hit"
        row.state, row.detail = ("hit", "") if hit else ("wait", "; ".join(event["reasons"]))
        for warning in event["warnings"]:
            self._line(event["step"], f"warning: {warning}")

    def _on_step_waiting(self, event: Mapping[str, Any]) -> None:
        row = self._row(event)
        row.state, row.detail = "lease", str(event.get("holder", ""))
        self._line(event["step"], f"waiting for another run ({row.detail})")

    def _on_step_started(self, event: Mapping[str, Any]) -> None:
        row = self._row(event)
        row.state, row.started, row.detail, row.done, row.first = "run", time.time(), "", 0, None
        self._line(event["step"], "started")

    def _on_progress(self, event: Mapping[str, Any]) -> None:
        row = self._row(event)
        row.done, row.total, row.unit = int(event["done"]), event.get("total"), str(event.get("unit", "rows"))
        row.first = row.first or (time.time(), row.done)
        self._line(event["step"], row.text(time.time()), always=False)

    def _on_metric(self, event: Mapping[str, Any]) -> None:
        row = self._row(event)
        row.detail = f"{event['name']} {event['value']:.4g}"

    def _on_note(self, event: Mapping[str, Any]) -> None:
        target = self._live.console if self._live else self.console
        target.print(f"  {event['step']}: {event['text']}", style="bold", markup=False, highlight=False)

    def _on_step_finished(self, event: Mapping[str, Any]) -> None:
        row = self._row(event)
        row.state, row.seconds, row.detail = ("hit" if event.get("cached") else "done"), float(event["seconds"]), ""
        if not event.get("cached"):
            self._line(event["step"], f"done in {row.seconds:.1f} s")

    def _on_step_failed(self, event: Mapping[str, Any]) -> None:
        self._row(event).state = "failed"
        self._line(event["step"], f"failed: {event.get('error', '')}")

    def _on_step_skipped(self, event: Mapping[str, Any]) -> None:
        self._row(event).state = "skipped"
        self._line(event["step"], "skipped: a step before it failed")

    def _table(self) -> Table:
        now = time.time()
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, row in self.rows.items():
            seconds = now - row.started if row.state == "run" else row.seconds
            clock = f"{seconds:6.1f} s" if row.state in {"run", "done"} else ""
            text = row.text(now) if row.state == "run" else row.detail
            table.add_row(name, STATES[row.state], clock, text)
        return table
