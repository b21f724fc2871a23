"""What a run of an ``align`` recipe leaves under fixed names, and what it says at its end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.workflow.results import RunResult, State
from components.files import Folder
from pipelines.home import Home
from pipelines.recipe import AlignRecipe
from pipelines.runner import RunOptions, output_of, program, publish_report


def publish_align(recipe: AlignRecipe, result: RunResult, home: Home, options: RunOptions, console: Console) -> None:
    """Files below HOME/results/NAME, then the table of recalls."""
    _publish(recipe, result, home, options)
    _print_results(recipe, result, home, console)


def _publish(recipe: AlignRecipe, result: RunResult, home: Home, options: RunOptions) -> None:
    """Copies under fixed names: report and metrics; the model is a link into the store where that is local."""
    target = home.results(recipe.name)
    publish_report(result, target, options)
    place_model(output_of(result, "export").sub("model"), target / "model")


def place_model(model: Folder, target: Path) -> None:
    """Put a model's folder under a fixed name: as a link into the store where that is local."""
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
    console.print(f"search:  {program()} search {query}{where}", soft_wrap=True, markup=False)
    console.print(f"MLflow:  {program()} ui{where}", soft_wrap=True, markup=False)


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
    return [*recall_cells(score, ("R@1", "R@5", "R@10")), f"{score['median_rank']:.0f}", f"{score['foscttm']:.3f}"]


def recall_cells(score: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Recalls of one direction as texts, with half the width of their intervals."""
    ends = score.get("ci95") or {}
    return [_recall(score[name], ends.get(name)) for name in names]


def _recall(value: float, ends: Any) -> str:
    half = (ends[1] - ends[0]) / 2 if ends and ends[0] is not None else 0.0
    return f"{value:.1f} ± {half:.1f}" if half else f"{value:.1f}"
