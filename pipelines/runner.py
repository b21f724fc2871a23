"""``isthmus run``: recipe -> graph -> executor, with progress on the screen and records in MLflow; then the results."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.tracking.tracker import Tracker
from cluster.workflow.events import Event
from cluster.workflow.executor import execute
from cluster.workflow.job import Dispatcher, Outcome
from cluster.workflow.results import RunResult
from cluster.workflow.store import Store
from components.files import Folder, write_atomically
from pipelines.home import Home
from pipelines.progress import Progress
from pipelines.recipe import Recipe, to_yaml
from pipelines.registry import BuildGraph, graph_of, publisher_of

FAILED, UNSENT_WAIT_S = 1, 15.0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """As in ``isthmus run --help``."""

    address: str | None = None
    metrics_out: Path | None = None
    force: frozenset[str] = field(default_factory=frozenset)
    verify: bool = False
    use_ray: bool = True
    parent: str = ""  # uid of the sweep whose best trial is run


def run_recipe(recipe: Recipe, home: Home, options: RunOptions, console: Console) -> int:
    """Run and report. Returns the exit code: 0, or 1 if a step failed.

    Raises:
        UserError: an input is missing, the cluster cannot be reached, the store cannot be written.
    """
    result = run_graph(graph_of(recipe, home), recipe, home, options, console)
    if result is None:
        return FAILED
    publisher_of(recipe)(recipe, result, home, options, console)
    return 0


def run_graph(
    build_graph: BuildGraph,
    recipe: Recipe,
    home: Home,
    options: RunOptions,
    console: Console,
    *,
    name: str | None = None,
) -> RunResult | None:
    """Run a graph, with progress and tracking. Returns None if a step failed, which is told then.

    Args:
        build_graph: called with ``cache_dir`` and ``engine``.
        name: of the run; by default the recipe's.

    Raises:
        UserError: as :func:`run_recipe`.
    """
    tracker = Tracker(
        home.path, store_uri=home.store_uri, parent=options.parent
    )  # first: its thread imports MLflow while the graph is being built
    try:
        result = _execute(build_graph, recipe, home, options, console, tracker=tracker, name=name or recipe.name)
    finally:
        drained = tracker.close(UNSENT_WAIT_S)
    if drained.pending:
        told = f"{drained.pending} records wait for {drained.uri}: {drained.problem}"
        console.print(f"{told}; the next run sends them, or `isthmus sync`", style="yellow", markup=False)
    elif drained.problem:
        console.print(f"MLflow: {drained.problem}", style="yellow", markup=False)
    if drained.rejected:
        refused = home.path / "outbox" / "rejected.jsonl"
        console.print(f"MLflow refused {drained.rejected} records; they are in {refused}", style="yellow", markup=False)
    if result.error:
        console.print(result.error, style="red", markup=False, soft_wrap=True)
        return None
    return result


def run_untracked(
    build_graph: BuildGraph, recipe: Recipe, home: Home, options: RunOptions, console: Console
) -> RunResult:
    """Run a graph, with progress, but leave nothing in MLflow. Raises UserError as :func:`run_recipe`."""
    return _execute(build_graph, recipe, home, options, console, tracker=None, name=recipe.name)


def _execute(
    build_graph: BuildGraph,
    recipe: Recipe,
    home: Home,
    options: RunOptions,
    console: Console,
    *,
    tracker: Tracker | None,
    name: str,
) -> RunResult:
    graph = build_graph(cache_dir=home.cache, engine="ray" if options.use_ray else "local")
    params = recipe.model_dump(mode="json")
    if tracker:
        tracker.recipe(params, to_yaml(recipe), name)
    with Progress(console) as progress:

        def listen(event: dict[str, Any]) -> None:
            progress.listen(event)
            if tracker:
                tracker.listen(event)

        return execute(
            graph,
            Store(home.store),
            _dispatcher(options, home, console),
            listener=listen,
            force=options.force,
            verify=options.verify,
            logs_dir=home.logs,
            recipe=params,
            pipeline=name,
        )


def _dispatcher(options: RunOptions, home: Home, console: Console) -> Callable[[], Dispatcher]:
    """A factory: nothing starts unless a step has to run."""
    if options.use_ray:
        return lambda: _start_ray(options, home, console)
    from cluster.workflow.inprocess import InProcess

    return InProcess


def _start_ray(options: RunOptions, home: Home, console: Console) -> Dispatcher:
    from cluster.probe import probe_cluster
    from cluster.runtime import RaySession
    from cluster.workflow.ray_dispatch import RayDispatcher

    class OnRay(RayDispatcher):
        """Ends the connection, or the local Ray, with the run; keeps Ray's own logs if a step failed."""

        def __init__(self, session: RaySession) -> None:
            self._session, self._failed = session.start(), False
            if session.attached:
                try:
                    probe_cluster(home.store_uri)
                except BaseException:
                    session.stop()
                    raise
            super().__init__(elastic=session.attached)  # a cluster may grow: steps wait for it

        def poll(self, timeout_s: float) -> list[Event | Outcome]:
            messages = super().poll(timeout_s)
            self._failed |= any(isinstance(m, Outcome) and m.error for m in messages)
            return messages

        def close(self) -> None:
            super().close()
            if self._failed and (logs := self._session.keep_logs()):
                console.print(f"Ray's own logs: {logs}", style="dim", markup=False, soft_wrap=True)
            self._session.stop()

    return OnRay(RaySession(options.address, home=home.path))


def publish_report(result: RunResult, target: Path, options: RunOptions) -> Folder:
    """``report.html`` and ``metrics.json`` of a run into ``target``, and where ``--metrics-out`` says. Their step."""
    report = output_of(result, "report")
    for name in ("report.html", "metrics.json"):
        write_atomically(target / name, report.read_bytes(name))
    if options.metrics_out:
        write_atomically(options.metrics_out, report.read_bytes("metrics.json"))
    return report


def output_of(result: RunResult, step: str) -> Folder:
    """The published folder of a step of a run that ended well."""
    output = result.steps[step].output
    assert output is not None, f"{step} ended without an output"
    return output.folder


def program() -> str:
    """How this program can be called again in the same shell: ``make demo`` leaves no activated environment."""
    called = Path(sys.argv[0])
    on_path = shutil.which("isthmus")
    if called.name != "isthmus" or (on_path and Path(on_path).resolve() == called.resolve()):
        return "isthmus"
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called)
