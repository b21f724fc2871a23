"""Benchmarks: each measures one claim of the README as ratios within one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components.errors import UserError

# name -> module with measure(quick: bool) -> dict, or package whose PARTS are such modules
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


def run_bench(
    name: str, *, quick: bool, metrics_out: Path | None, console: Console, parts: Sequence[str] = ()
) -> dict[str, Any]:
    """Run one benchmark (of one in parts: all, or those named), print its numbers and write them as JSON if asked to.

    Raises:
        UserError: it has no such part.
    """
    result: dict[str, Any] = {"quick": quick}
    for module in _modules(name, parts):
        result = merged(result, import_module(module).measure(quick=quick))
    table = Table("number", "value", box=None, title=f"bench {name}", title_justify="left")
    for key, value in flatten(result).items():
        table.add_row(key, f"{value:,.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    if metrics_out:
        metrics_out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
    return result


def _modules(name: str, chosen: Sequence[str]) -> list[str]:
    known: Sequence[str] = getattr(import_module(BENCHES[name]), "PARTS", ())
    if unknown := [part for part in chosen if part not in known]:
        raise UserError(f"{unknown[0]!r} is no part of bench {name}", do=f"choose from {', '.join(known)}")
    return [f"{BENCHES[name]}.{part}" for part in known if not chosen or part in chosen] or [BENCHES[name]]


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Both dicts, and of dicts under a common key the same. Raises ValueError where they say different things."""
    found = dict(first)
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = merged(found[key], value)
        elif found.get(key, value) != value:
            raise ValueError(f"two parts measure {key!r}")
        else:
            found[key] = value
    return found


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
