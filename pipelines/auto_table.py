"""What ``auto`` tried and chose, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from components.reporting.choice import details, left_out, reason, shown
from components.reporting.data import Choice, Tried
from components.reporting.intake import choice as read_choice
from components.reporting.names import method_name


def print_choice(entry: Mapping[str, Any] | None, console: Console) -> None:
    """Print ``auto`` of ``metrics.json``; nothing if there is none."""
    choice = read_choice(entry)
    if choice is None:
        return
    console.print(f"\nauto: {reason(choice)}", style="bold", markup=False)
    if choice.tried:
        console.print(choice_table(choice))
    for name, why in left_out(choice):
        console.print(f" {name}: left out, {why}", markup=False)
    for sentence in details(choice):
        console.print(f" {sentence}", style="dim", markup=False)


def choice_table(choice: Choice) -> Table:
    """One line for every candidate, and for the sums of them."""
    title = f"cross-validated on the pairs of the first draw, among {choice.gallery:,.0f} rows; ± one standard error"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("tried", no_wrap=True)
    for name in ("R@1", "R@10", "score", "ahead of linear", "CPU s"):
        table.add_column(name, no_wrap=True, justify="right")
    for tried in shown(choice):
        name = method_name(tried.name)
        marked = f"[bold]{name} *[/bold]" if tried.name == choice.chosen else name
        table.add_row(f"[dim]{name}, left out[/dim]" if tried.skipped else marked, *_cells(tried))
    return table


def _cells(tried: Tried) -> list[str]:
    v = tried.values
    return [
        f"{v['R@1']:.1f} ± {v['R@1_se']:.1f}",
        f"{v['R@10']:.1f} ± {v['R@10_se']:.1f}",
        f"{v['score']:.2f} ± {v['score_se']:.2f}",
        f"{v['ahead_of_linear']:+.2f} ± {v['ahead_se']:.2f}",
        f"{v['seconds']:.1f}",
    ]
