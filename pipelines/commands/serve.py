"""``isthmus promote`` and ``isthmus serve``: from a registered model to a service."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands import HomeOpt, StoreOpt, out

app = typer.Typer()


@app.command()
def promote(
    name: Annotated[str | None, typer.Argument(help="Registered model (default: the only one).")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Version (default: that of the newest run).")] = None,
    home: HomeOpt = None,
) -> None:
    """Make a version of a model the champion: models:/NAME@champion."""
    from cluster.tracking.registry import Registry
    from pipelines.home import Home

    done = Registry(Home.open(home).path).promote(name, version)
    before = f" (before: version {done.before})" if done.before and done.before != done.version else ""
    out.print(f"models:/{done.name}@champion is version {done.version}{before}", markup=False)


@app.command()
def serve(
    model: Annotated[
        str | None,
        typer.Argument(
            help="Folder of a model or bridge, recipe that was run, or models:/NAME@ALIAS (default: the newest)."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")] = 8000,
    replicas: Annotated[int, typer.Option(min=1, max=64, help="Copies of the model, one process each.")] = 2,
    no_ray: Annotated[bool, typer.Option("--no-ray", help="One copy, in this process, without Ray Serve.")] = False,
    home: HomeOpt = None,
    store: StoreOpt = None,
) -> None:
    """Serve a model on loopback by Ray Serve: a page to try it, POST /search and /encode/{side}, GET /healthz."""
    from pipelines.home import Home
    from pipelines.serving import ServeOptions, serve_and_print

    options = ServeOptions(port=port, replicas=replicas, use_ray=not no_ray)
    serve_and_print(model, Home.open(home, store), options, out)
