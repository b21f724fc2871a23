"""The records on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

Record = Mapping[str, Any]


def print_records(records: Sequence[Record], claims: Sequence[Record], console: Console) -> None:
    """A block of lines per setting, best method first; what has no numbers, with the reason; the claims."""
    good = sorted((r for r in records if "mean" in r), key=lambda r: (place(r), -r["mean"]["R@10"]))
    for _, block in groupby(good, key=place):
        _print_block(list(block), console)
    console.print("percent, mean of both directions ± half the 95 % interval over seeds; MiB: peak of the fit alone")
    for record in records:
        if record["reason"] and record["reason"] != "needs pairs":
            told = f"{place_text(record)} {method_text(record)}: {record['status']}, {record['reason']}"
            console.print(told, style="yellow", markup=False, soft_wrap=True)
    for claim in claims:
        if claim["holds"] is not None:
            verdict = "holds" if claim["holds"] else "does not hold"
            console.print(f"{claim['corpus']}: {claim['text']}: {verdict} ({claim['value']:.2f})", markup=False)


def _print_block(records: Sequence[Record], console: Console) -> None:
    table = Table(box=None, title=f"\n{place_text(records[0])}", title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True, min_width=34)
    for name in ("R@1", "R@5", "R@10", "FOSCTTM", "CPU s", "MiB"):
        table.add_column(name, no_wrap=True, justify="right", min_width=8 if name in ("CPU s", "MiB") else 13)
    for record in records:
        table.add_row(method_text(record), *_numbers(record))
    console.print(table)


def place(record: Record) -> tuple[Any, ...]:
    """What the methods of one column have in common."""
    return tuple(
        (record[n] or 0) if n in ("rows", "budget") else record[n]
        for n in ("corpus", "protocol", "split", "selection", "rows", "budget")
    )


def place_text(record: Record) -> str:
    rows = f" {record['rows']} rows" if record["rows"] else ""
    names = "/".join(str(record[n]) for n in ("corpus", "protocol", "split", "selection"))
    return f"{names}{rows} {record['budget']} pairs"


def method_text(record: Record) -> str:
    return str(record["method"]) + ("" if record["control"] == "none" else f" ({record['control']})")


def _numbers(record: Record) -> list[str]:
    recalls = [with_half(record, name, 1) for name in ("R@1", "R@5", "R@10")]
    costs = [f"{record['cpu_seconds']:.1f}", f"{record['growth_mib']:.0f}"]
    return [*recalls, with_half(record, "foscttm", 3), *costs]


def with_half(record: Record, metric: str, digits: int) -> str:
    """``28.1 ± 1.7``; without the half if there is no interval."""
    mean, ends = record["mean"][metric], record["ci95"][metric]
    half = (ends[1] - ends[0]) / 2 if ends else 0.0
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if half else "")
