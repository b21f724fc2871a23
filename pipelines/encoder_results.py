"""What a run of an encoder recipe leaves under fixed names, and what it says at its end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cluster.workflow.results import RunResult, State
from components.files import Folder
from pipelines.encoder_recipe import EncodeRecipe
from pipelines.home import Home
from pipelines.runner import RunOptions, output_of, publish_report
from pipelines.trained import ENCODER


def publish_encoder(recipe: EncodeRecipe, result: RunResult, home: Home, options: RunOptions, console: Console) -> None:
    """Copies below HOME/results/NAME: ``report.html``, ``metrics.json`` and ``encoder/``; then a table of the probes.

    The encoder is a copy, not a link: clearing the store must not take away what other recipes name.
    """
    target = home.results(recipe.name)
    report = publish_report(result, target, options)
    _place(output_of(result, "export").sub(ENCODER), target / ENCODER)
    _print(recipe, result, report, home, console)


def _place(encoder: Folder, target: Path) -> None:
    """A folder cannot be replaced at once: the new one is complete before the old one moves away."""
    fresh, old = (target.with_name(f".{target.name}.{kind}.{os.getpid()}") for kind in ("new", "old"))
    encoder.copy_to(Folder.at(fresh))
    if target.exists():
        os.replace(target, old)
    os.replace(fresh, target)
    shutil.rmtree(old, ignore_errors=True)


def _print(recipe: EncodeRecipe, result: RunResult, report: Folder, home: Home, console: Console) -> None:
    metrics = report.read_json("metrics.json")
    console.print(f"\n{result.steps['report'].facts.get('headline', '')}", style="bold", markup=False)
    console.print(probe_table(metrics["probes"]))
    for note in metrics["notes"]:
        console.print(note, style="yellow", markup=False, soft_wrap=True)
    ran, hit = result.names(State.RAN), result.names(State.HIT)
    console.print(f"{len(ran)} steps ran, {len(hit)} were cached, {result.seconds:.1f} s")
    console.print(f"report:   {home.results(recipe.name) / 'report.html'}", soft_wrap=True, markup=False)
    console.print(f"encoder:  {home.results(recipe.name) / ENCODER}", soft_wrap=True, markup=False)
    console.print(f"use it:   encoder: trained:{recipe.name}  (in a source of an align recipe)", markup=False)


def probe_table(probes: dict[str, dict[str, object]]) -> Table:
    """The probes of the trained and of the untrained network on held-out rows."""
    table = Table(title="held-out rows; accuracies in percent with 95 % intervals", title_justify="left", box=None)
    table.add_column("encoder", no_wrap=True)
    names = ("knn", "linear", "majority", "effective_rank", "alignment", "uniformity")
    shown = [n for n in names if n in probes["trained"]]
    for name in shown:
        table.add_column(name.replace("_", " "), no_wrap=True, justify="right")
    for encoder in ("trained", "untrained"):
        table.add_row(encoder, *(_cell(probes[encoder][name]) for name in shown))
    return table


def _cell(value: object) -> str:
    if isinstance(value, dict):
        half = (value["high"] - value["low"]) / 2
        return f"{100 * value['mean']:.1f} ± {100 * half:.1f}"
    return f"{float(str(value)):.2f}"
