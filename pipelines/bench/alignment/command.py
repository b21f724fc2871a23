"""``isthmus bench alignment``: options to cells, cells to results, corpus after corpus; then all that is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.job import Dispatcher
from cluster.workflow.results import RunResult, State
from cluster.workflow.store import Store
from pipelines.bench.alignment.claims import make_claims
from pipelines.bench.alignment.corpora import Corpus, absent, corpora_folder, find_corpus, table_step
from pipelines.bench.alignment.dispatch import dispatchers
from pipelines.bench.alignment.grid import Cells, Setting, cells_of
from pipelines.bench.alignment.options import QUICK_POOL, QUICK_UNPAIRED, BenchOptions
from pipelines.bench.alignment.publish import NAME, track, write_json, write_report
from pipelines.bench.alignment.records import CellResult, make_records
from pipelines.bench.alignment.show import print_records
from pipelines.home import Home

EVERY_S, UNSENT_WAIT_S = 10.0, 15.0


@dataclass
class Measured:
    """All that was found out, corpus by corpus.

    Attributes:
        absent: corpus -> why it could not be measured.
    """

    settings: list[Setting] = field(default_factory=list)
    cells: list[CellResult] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def run_bench_alignment(options: BenchOptions, home: Home, console: Console) -> int:
    """Measure, print and write. Returns the exit code: 0, or 1 if nothing at all could be measured.

    Raises:
        UserError: an unknown corpus, or a cluster that cannot be reached.
    """
    began, corpora = time.monotonic(), [_sized(find_corpus(name), options) for name in options.corpora]
    with dispatchers(options, home) as factory:
        bench = _Bench(options, home, console, factory)
        for corpus in corpora:
            bench.measure(corpus)
    measured = bench.measured
    records, claims = make_records(measured.settings, measured.cells), make_claims(measured.cells)
    print_records(records, claims, console)
    report = {"records": records, "claims": claims, "absent": measured.absent, "seconds": time.monotonic() - began}
    _leave(report, measured.cells, options, home, console)
    return 0 if any("mean" in r for r in records) else 1


def _leave(
    report: Mapping[str, Any], cells: Sequence[CellResult], options: BenchOptions, home: Home, console: Console
) -> None:
    folder = home.results(NAME)
    write_report(report, cells, folder)
    if options.metrics_out:
        write_json(report, options.metrics_out)
    console.print(f"tables and figures: {folder}", markup=False, soft_wrap=True)
    if options.track:
        tracker = track(report, folder, home, {"corpora": list(options.corpora), "seeds": options.grid.seeds})
        drained = tracker.close(UNSENT_WAIT_S)
        if drained.pending:
            console.print(f"{drained.pending} records wait for {drained.uri}; `isthmus sync` sends them", markup=False)


def _sized(corpus: Corpus, options: BenchOptions) -> Corpus:
    """Quick: synthetic worlds of fewer rows."""
    if not (options.quick and corpus.kind == "synthetic"):
        return corpus
    return replace(corpus, unpaired=QUICK_UNPAIRED, pool=QUICK_POOL)


@dataclass
class _Bench:
    options: BenchOptions
    home: Home
    console: Console
    dispatcher: Callable[[], Dispatcher]
    measured: Measured = field(default_factory=Measured)

    def measure(self, corpus: Corpus) -> None:
        """All cells of one corpus; failures are kept, not raised."""
        folder = corpora_folder(self.options.folder)
        if reason := absent(corpus, folder):
            self.console.print(f"{corpus.name}: skipped, {reason}", style="yellow", markup=False)
            self.measured.absent[corpus.name] = reason
            return
        settings = self.options.grid.settings(corpus)
        table = table_step(corpus, self.home, folder, "ray" if self.options.use_ray else "local")
        cells = cells_of(corpus, settings, self.options.grid.seeds, table)
        result = self._execute(corpus, cells)
        found = [_cell(result, name, *about) for name, about in cells.about.items()]
        self.measured.settings += settings
        self.measured.cells += found
        ran = sum(not c.cached and c.status != "failed" for c in found)
        bad = sum(c.status != "ok" for c in found)
        told = f"{corpus.name}: {len(found)} cells, {ran} fitted now, {bad} without numbers, {result.seconds:.0f} s"
        self.console.print(told, markup=False)

    def _execute(self, corpus: Corpus, cells: Cells) -> RunResult:
        force = {name for name, (setting, _) in cells.about.items() if setting.method in self.options.force}
        return execute(
            Graph.of(*cells.steps.values()),
            Store(self.home.store),
            self.dispatcher,
            listener=_Ticker(corpus.name, cells, self.console),
            force=force,
            logs_dir=self.home.logs,
            pipeline=f"bench-alignment-{corpus.slug}",
            recipe={"corpus": corpus.name, "seeds": self.options.grid.seeds},
        )


def _cell(result: RunResult, name: str, setting: Setting, seed: int) -> CellResult:
    step = result.steps.get(name)
    if step is None or step.state not in (State.RAN, State.HIT):
        own = (step.error or step.reason) if step else ""
        before = next((s.error for s in result.failed if s.error), "not run")
        reason = (step.error if step and step.error else before) or own
        return CellResult(setting=setting, seed=seed, status="failed", reason=reason.splitlines()[0], facts={})
    facts = dict(step.facts)
    return CellResult(
        setting=setting,
        seed=seed,
        status=facts["status"],
        reason=facts.get("reason", ""),
        facts=facts,
        cached=step.state is State.HIT,
    )


class _Ticker:
    """Says now and then how far a corpus is."""

    def __init__(self, name: str, cells: Cells, console: Console) -> None:
        self._name, self._cells, self._console = name, cells, console
        self._done, self._began, self._last = 0, time.monotonic(), 0.0

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind, step = event["kind"], str(event.get("step", ""))
        if kind == "step-failed":
            self._console.print(f"{step} failed: {event.get('error')}", style="red", markup=False, soft_wrap=True)
        if kind not in ("step-finished", "step-failed", "step-skipped") or step not in self._cells.about:
            return
        self._done += 1
        now = time.monotonic()
        if event.get("cached") or now - self._last < EVERY_S:
            return
        self._last = now
        told = f"{self._name}: {self._done} of {len(self._cells.about)} cells, {now - self._began:.0f} s"
        self._console.print(told, style="dim", markup=False)
