"""``isthmus run``: recipe -> graph -> executor, with progress on the screen and records in MLflow; then the results."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.tracking.tracker import Tracker
from cluster.workflow.events import Event
from cluster.workflow.executor import execute
from cluster.workflow.job import Dispatcher, Outcome
from cluster.workflow.results import RunResult, State
from cluster.workflow.store import Store
from components.files import Folder
from pipelines.home import Home
from pipelines.progress import Progress
from pipelines.recipe import AlignRecipe, to_yaml
from pipelines.trained import AnyRecipe, BuildGraph, graph_of

FAILED, UNSENT_WAIT_S = 1, 15.0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """As in ``isthmus run --help``."""

    address: str | None = None
    metrics_out: Path | None = None
    force: frozenset[str] = field(default_factory=frozenset)
    verify: bool = False
    use_ray: bool = True


def run_recipe(recipe: AnyRecipe, home: Home, options: RunOptions, console: Console) -> int:
    """Run and report. Returns the exit code: 0, or 1 if a step failed.

    Raises:
        UserError: an input is missing, the cluster cannot be reached, the store cannot be written.
    """
    result = run_graph(graph_of(recipe, home), recipe, home, options, console)
    if result is None:
        return FAILED
    if not isinstance(recipe, AlignRecipe):
        from pipelines.encoder_results import publish_encoder

        publish_encoder(recipe, result, home, options, console)
        return 0
    _publish(recipe, result, home, options)
    _print_results(recipe, result, home, console)
    return 0


def run_graph(
    build_graph: BuildGraph,
    recipe: AnyRecipe,
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
        home.path, store_uri=home.store_uri
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


def _execute(
    build_graph: BuildGraph,
    recipe: AnyRecipe,
    home: Home,
    options: RunOptions,
    console: Console,
    *,
    tracker: Tracker,
    name: str,
) -> RunResult:
    graph = build_graph(cache_dir=home.cache, engine="ray" if options.use_ray else "local")
    params = recipe.model_dump(mode="json")
    tracker.recipe(params, to_yaml(recipe), name)
    with Progress(console) as progress:

        def listen(event: dict[str, Any]) -> None:
            progress.listen(event)
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
    from cluster.runtime import RaySession
    from cluster.workflow.ray_dispatch import RayDispatcher

    class OnRay(RayDispatcher):
        """Ends the connection, or the local Ray, with the run; keeps Ray's own logs if a step failed."""

        def __init__(self, session: RaySession) -> None:
            self._session, self._failed = session.start(), False
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


def _publish(recipe: AlignRecipe, result: RunResult, home: Home, options: RunOptions) -> None:
    """Copies under fixed names: report and metrics; the model is a link into the store where that is local."""
    target = home.results(recipe.name)
    target.mkdir(parents=True, exist_ok=True)
    report, export = output_of(result, "report"), output_of(result, "export")
    for name in ("report.html", "metrics.json"):
        replace_file(target / name, report.read_bytes(name))
    if options.metrics_out:
        options.metrics_out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(options.metrics_out, report.read_bytes("metrics.json"))
    _place_model(export.sub("model"), target / "model")


def _place_model(model: Folder, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    if model.is_local:
        fresh.symlink_to(model.local, target_is_directory=True)
    else:
        for file in model.files():
            (fresh / file.name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / file.name).write_bytes(model.read_bytes(file.name))
    if target.is_symlink() or not target.exists():
        os.replace(fresh, target)
        return
    shutil.rmtree(target)
    os.replace(fresh, target)


def replace_file(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(data)
    draft.replace(path)


def output_of(result: RunResult, step: str) -> Folder:
    """The published folder of a step of a run that ended well."""
    output = result.steps[step].output
    assert output is not None, f"{step} ended without an output"
    return output.folder


def _print_results(recipe: AlignRecipe, result: RunResult, home: Home, console: Console) -> None:
    from pipelines.auto_table import print_choice

    metrics = output_of(result, "report").read_json("metrics.json")
    console.print(f"\n{result.steps['report'].facts.get('headline', '')}", style="bold", markup=False)
    console.print(recall_table(metrics, recipe.exported))
    print_choice(metrics.get("auto"), console)
    ran, hit = result.names(State.RAN), result.names(State.HIT)
    console.print(f"* exported; {len(ran)} steps ran, {len(hit)} were cached, {result.seconds:.1f} s")
    console.print(f"report:  {home.results(recipe.name) / 'report.html'}", soft_wrap=True, markup=False)
    where = "" if home.is_default else f" --home {home.path}"
    query = '"crying cat"' if recipe.name == "emoji" else "QUERY"
    console.print(f"search:  {_program()} search {query}{where}", soft_wrap=True, markup=False)
    console.print(f"MLflow:  {_program()} ui{where}", soft_wrap=True, markup=False)


def _program() -> str:
    """How this program can be called again in the same shell: ``make demo`` leaves no activated environment."""
    called = Path(sys.argv[0])
    on_path = shutil.which("isthmus")
    if called.name != "isthmus" or (on_path and Path(on_path).resolve() == called.resolve()):
        return "isthmus"
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called)


def recall_table(metrics: Mapping[str, Any], exported: str) -> Table:
    """Methods by R@10 (mean of both directions), the exported one marked, chance and controls below."""
    pairs, scores = metrics["pairs"], metrics["retrieval"]
    title = (
        f"{pairs['pairs']} known pairs{_chosen(pairs)}, {pairs['heldout']} held out, {pairs['draws']} draws; "
        "percent of both directions ± 95 % interval"
    )
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("method", no_wrap=True)
    for name in ("R@1", "R@5", "R@10", "median rank", "FOSCTTM"):
        table.add_column(name, no_wrap=True, justify="right")
    order = sorted(scores, key=lambda m: (m == "chance", [-scores[m]["mean"][r] for r in ("R@10", "R@5", "R@1")]))
    for method in order:
        table.add_row(f"[bold]{method} *[/bold]" if method == exported else method, *_cells(scores[method]["mean"]))
    for control, entries in metrics.get("controls", {}).items():
        for method, entry in entries.items():
            table.add_row(f"[dim]{method}, {control.replace('-', ' ')}[/dim]", *_cells(entry["mean"]))
    return table


def _chosen(pairs: Mapping[str, Any]) -> str:
    how = pairs.get("selection", "random")
    return "" if how == "random" else f" chosen by {how}"


def _cells(score: Mapping[str, Any]) -> list[str]:
    ends = score.get("ci95") or {}
    recalls = [_recall(score[name], ends.get(name)) for name in ("R@1", "R@5", "R@10")]
    return [*recalls, f"{score['median_rank']:.0f}", f"{score['foscttm']:.3f}"]


def _recall(value: float, ends: Any) -> str:
    half = (ends[1] - ends[0]) / 2 if ends and ends[0] is not None else 0.0
    return f"{value:.1f} ± {half:.1f}" if half else f"{value:.1f}"
