"""``isthmus tune``: search over the keys of a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands import AddressOpt, HomeOpt, NoRayOpt, RecipeArg, SetOpt, StoreOpt, out, threads_as_in_ray

app = typer.Typer()


@app.command()
def tune(
    recipe: RecipeArg = "emoji",
    space: Annotated[str, typer.Option(help="YAML file, or a preset: pairs-and-ot, aligners, quick.")] = "pairs-and-ot",
    sampler: Annotated[str | None, typer.Option(help="grid, random or optuna (default: that of the space).")] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all (default: that of the space, or the grid).")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="What decides, of the known pairs alone (default: known.R@10).")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="none, asha or median: stop hopeless trials by their epochs.")
    ] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Trials at a time (default: as many as fit).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the sampler (default: that of the space).")] = None,
    full: Annotated[bool, typer.Option(help="Run the best trial in full: report, model, alias candidate.")] = True,
    set_: SetOpt = None,
    home: HomeOpt = None,
    store: StoreOpt = None,
    address: AddressOpt = None,
    no_ray: NoRayOpt = False,
) -> None:
    """Search over recipe keys: pair budgets, transport, encoders, aligners. Shared steps are computed once.

    After a crash the same command keeps finished trials. Exit code 1: a trial failed (it is named at the end).
    """
    threads_as_in_ray(no_ray)
    from pipelines.home import Home
    from pipelines.search_space import base_recipe, load_search
    from pipelines.sweep import SweepOptions, sweep_and_print

    search = load_search(
        space,
        sampler=sampler,
        trials=trials,
        metric=metric,
        scheduler=scheduler,
        concurrent=concurrent,
        seed=seed,
    )
    options = SweepOptions(address=address, use_ray=not no_ray, full=full)
    base = base_recipe(recipe, search, list(set_ or ()))
    raise typer.Exit(sweep_and_print(base, search, Home.open(home, store), options, out))
