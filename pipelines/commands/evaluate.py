"""``isthmus evaluate``: the applications of a shared space, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import AddressOpt, HomeOpt, NoRayOpt, RecipeArg, SetOpt, StoreOpt, out, threads_as_in_ray

app = typer.Typer()


@app.command()
def evaluate(
    recipe: RecipeArg = "emoji",
    only: Annotated[list[str] | None, typer.Option(help="Only this application; repeatable (default: all).")] = None,
    set_: SetOpt = None,
    home: HomeOpt = None,
    store: StoreOpt = None,
    address: AddressOpt = None,
    metrics_out: Annotated[Path | None, typer.Option(help="Write all numbers to this JSON file.")] = None,
    force: Annotated[list[str] | None, typer.Option(help="Make this step and all after it again; repeatable.")] = None,
    no_ray: NoRayOpt = False,
) -> None:
    """Zero-shot classes, semantic arithmetic, transfer and universality of a recipe's space, each with its control."""
    threads_as_in_ray(no_ray)
    from pipelines.evaluate import evaluate_and_print
    from pipelines.home import Home
    from pipelines.recipe import load_recipe
    from pipelines.runner import RunOptions

    options = RunOptions(address=address, metrics_out=metrics_out, force=frozenset(force or ()), use_ray=not no_ray)
    opened = Home.open(home, store)
    raise typer.Exit(evaluate_and_print(load_recipe(recipe, set_ or ()), only or (), opened, options, out))
