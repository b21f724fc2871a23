"""Groups of commands, one file each, and what they share: consoles and common options.

A group has ``app`` (a Typer); ``pipelines/cli.py`` mounts it. Heavy libraries are imported inside the commands.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

# into a file or a pipe: wide enough for the tables
out = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)
err = Console(stderr=True, highlight=False)

RecipeArg = Annotated[str, typer.Argument(help="Name of a built-in recipe, or a YAML file.")]
SetOpt = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Override one key of the recipe; repeatable."),
]
HomeOpt = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of store, logs, MLflow database and results (default: $ISTHMUS_HOME or ./isthmus-data)."
    ),
]
StoreOpt = Annotated[
    str | None,
    typer.Option(
        "--store", help="Where outputs are kept: path or URI (s3://…) (default: $ISTHMUS_STORE or HOME/store)."
    ),
]
AddressOpt = Annotated[
    str | None, typer.Option("--address", help="Ray cluster to attach to (default: a local Ray of this process).")
]
NoRayOpt = Annotated[bool, typer.Option("--no-ray", help="Run every step in this process, without Ray.")]
QuickOpt = Annotated[bool, typer.Option(help="Small sizes: minutes instead of tens of minutes.")]
MetricsOpt = Annotated[Path | None, typer.Option(help="Write the numbers to this JSON file.")]


def threads_as_in_ray(no_ray: bool) -> None:
    """One thread a step, as in a Ray task, for runs in this process; must be set before numpy is imported."""
    if no_ray:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
