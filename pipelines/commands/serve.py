"""``isthmus promote`` and ``isthmus serve``: from a registered model to a service."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands import HomeOpt, out

app = typer.Typer()


@app.command()
def promote(
    name: Annotated[str | None, typer.Argument(help="Registered model [the only one].")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Version [that of the newest run].")] = None,
    home: HomeOpt = None,
) -> None:
    """Make a version of a model the champion: models:/NAME@champion."""
    from cluster.tracking.registry import Registry
    from pipelines.home import Home

    done = Registry(Home.open(home).path).promote(name, version)
    before = f" (before: version {done.before})" if done.before and done.before != done.version else ""
    out.print(f"models:/{done.name}@champion is version {done.version}{before}", markup=False)
