"""What a run of a ``bridge`` recipe leaves under fixed names, and what it says at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.workflow.results import RunResult, State
from pipelines.align_results import place_model, recall_cells
from pipelines.bridge_recipe import BridgeRecipe
from pipelines.home import Home
from pipelines.runner import RunOptions, output_of, program, publish_report
from pipelines.steps.bridge_export import FOLDER


def publish_bridge(recipe: BridgeRecipe, result: RunResult, home: Home, options: RunOptions, console: Console) -> None:
    """``report.html``, ``metrics.json`` and ``bridge/`` below HOME/results/NAME, then the table of recalls."""
    target = home.results(recipe.name)
    publish_report(result, target, options)
    place_model(output_of(result, "export").sub(FOLDER), target / FOLDER)
    _print(recipe, result, home, console)


def _print(recipe: BridgeRecipe, result: RunResult, home: Home, console: Console) -> None:
    metrics = output_of(result, "report").read_json("metrics.json")
    names = metrics["names"]
    console.print(f"\n{result.steps['report'].facts.get('headline', '')}", style="bold", markup=False)
    if metrics["retrieval"]:
        console.print(recall_table(metrics))
    ran, hit = result.names(State.RAN), result.names(State.HIT)
    console.print(f"* exported; {len(ran)} steps ran, {len(hit)} were cached, {result.seconds:.1f} s")
    console.print(f"report:  {home.results(recipe.name) / 'report.html'}", soft_wrap=True, markup=False)
    where = "" if home.is_default else f" --home {home.path}"
    query = '"猫"' if names["c"] == "ja" else "QUERY"
    told = f"search:  {program()} search --from {names['c']} --to {names['a']} {query}{where}"
    console.print(told, soft_wrap=True, markup=False)


def recall_table(metrics: Mapping[str, Any]) -> Table:
    """Both directions of every way and estimator, the exported one marked, with oracle, chance and control."""
    names, pairs, scores = metrics["names"], metrics["pairs"], metrics["retrieval"]
    title = (
        f"{pairs['ab']} pairs {names['a']}–{names['b']}, {pairs['bc']} {names['b']}–{names['c']}, "
        f"{pairs['heldout']} {names['a']}–{names['c']} asked, {pairs['draws']} draws; percent ± 95 % interval"
    )
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("method", no_wrap=True)
    ways = {"left_to_right": f"{names['a']} → {names['c']}", "right_to_left": f"{names['c']} → {names['a']}"}
    for way in ways.values():
        for name in ("R@1", "R@10"):
            table.add_column(f"{way}\n{name}", no_wrap=True, justify="right")
    exported = metrics["exported"]["method"]
    for method in sorted(scores, key=lambda m: (m == "chance", -scores[m]["mean"]["R@10"])):
        label = f"[bold]{method} *[/bold]" if method == exported else method
        table.add_row(label, *_cells(scores[method], ways))
    for control, entries in metrics["controls"].items():
        for method, entry in entries.items():
            table.add_row(f"[dim]{method}, {control.replace('-', ' ')}[/dim]", *_cells(entry, ways))
    return table


def _cells(entry: Mapping[str, Any], ways: Mapping[str, str]) -> list[str]:
    return [cell for d in ways for cell in recall_cells(entry[d], ("R@1", "R@10"))]
