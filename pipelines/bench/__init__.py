"""Benchmarks: each measures one claim of the README as ratios within one run."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# name -> module with measure(quick: bool) -> dict; the engine's own overhead is measured beside the engine
BENCHES = {
    "demo": "pipelines.bench.demo",
    "suggest": "pipelines.bench.suggest",
    "overhead": "pipelines.bench.overhead",
    "encode": "pipelines.bench.encode",
    "spectral": "pipelines.bench.spectral",
    "objectives": "pipelines.bench.objectives",
    "bridge": "pipelines.bench.bridge",
    "scale": "pipelines.bench.scale",
    "applications": "pipelines.bench.applications",
}


def run_bench(name: str, *, quick: bool, metrics_out: Path | None, console: Console) -> dict[str, Any]:
    """Run one benchmark, print its numbers and write them as JSON if asked to."""
    result: dict[str, Any] = import_module(BENCHES[name]).measure(quick=quick)
    table = Table("number", "value", box=None, title=f"bench {name}", title_justify="left")
    for key, value in flatten(result).items():
        table.add_row(key, f"{value:,.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    if metrics_out:
        metrics_out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
    return result


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dicts and lists as one dict with dotted keys; a mean with its interval is one text."""
    if isinstance(value, dict) and {"mean", "low", "high"} <= value.keys():
        return {prefix: f"{value['mean']:.4g} ({value['low']:.4g} to {value['high']:.4g})"}
    if isinstance(value, dict):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in items:
        flat |= flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat
