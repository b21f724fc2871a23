"""The command line. Heavy libraries are imported inside the commands: ``--help`` and ``plan`` answer at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from components.errors import UserError
from pipelines.commands import (
    AddressOpt,
    HomeOpt,
    NoRayOpt,
    RecipeArg,
    SetOpt,
    StoreOpt,
    bench,
    cluster,
    err,
    evaluate,
    out,
    serve,
    threads_as_in_ray,
    tune,
)

INTERRUPTED = 130

app = typer.Typer(
    name="isthmus",
    help="Join two corpora that have never met: few pairs, two continents, one shared space.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def run(
    recipe: RecipeArg = "emoji",
    set_: SetOpt = None,
    home: HomeOpt = None,
    store: StoreOpt = None,
    address: AddressOpt = None,
    metrics_out: Annotated[Path | None, typer.Option(help="Write all metrics to this JSON file.")] = None,
    force: Annotated[list[str] | None, typer.Option(help="Make this step and all after it again; repeatable.")] = None,
    verify: Annotated[bool, typer.Option(help="Check the digests of all cached outputs, whatever their size.")] = False,
    no_ray: NoRayOpt = False,
) -> None:
    """Run a recipe: only what is not in the store yet is computed. After a crash, the same command goes on."""
    threads_as_in_ray(no_ray)
    from pipelines.home import Home
    from pipelines.recipe import load_any_recipe
    from pipelines.runner import RunOptions, run_recipe

    options = RunOptions(
        address=address, metrics_out=metrics_out, force=frozenset(force or ()), verify=verify, use_ray=not no_ray
    )
    raise typer.Exit(run_recipe(load_any_recipe(recipe, set_ or ()), Home.open(home, store), options, out))


@app.command()
def plan(
    recipe: RecipeArg = "emoji",
    set_: SetOpt = None,
    home: HomeOpt = None,
    store: StoreOpt = None,
    verify: Annotated[bool, typer.Option(help="Check the digests of all cached outputs.")] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Hours, bytes and memory at 10^6, 10^8, 10^9 rows, from runs at 3 sizes.")
    ] = False,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="With --cluster: make short runs on parts first (default: if the store has too few)."
        ),
    ] = False,
    probe_minutes: Annotated[float, typer.Option(min=0.1, help="Time for these runs.")] = 5.0,
    address: AddressOpt = None,
    no_ray: NoRayOpt = False,
) -> None:
    """Which steps would run, and why. Starts nothing (but for --cluster, see there)."""
    threads_as_in_ray(no_ray)
    from pipelines.home import Home
    from pipelines.inspect import print_plan
    from pipelines.recipe import load_any_recipe

    if cluster:
        from pipelines.cost import CostOptions, print_costs
        from pipelines.runner import RunOptions

        run_options = RunOptions(address=address, use_ray=not no_ray)
        options = CostOptions(probe=probe, probe_minutes=probe_minutes, run=run_options)
        return print_costs(load_any_recipe(recipe, set_ or ()), Home.open(home, store), out, options)
    print_plan(load_any_recipe(recipe, set_ or ()), Home.open(home, store), out, verify=verify)


@app.command()
def show(
    step: Annotated[str, typer.Argument(help="Name of a step, e.g. encode-left.")],
    run_id: Annotated[
        str | None, typer.Option("--run", help="Run id or its beginning (default: the last run).")
    ] = None,
    home: HomeOpt = None,
    store: StoreOpt = None,
) -> None:
    """Config, inputs, files, facts and timing of one step."""
    from pipelines.home import Home
    from pipelines.inspect import print_step

    print_step(step, Home.open(home, store), out, run_id=run_id)


@app.command()
def diff(
    run_a: Annotated[str, typer.Argument(help="Run id, its beginning, or 'last'.")],
    run_b: Annotated[str, typer.Argument(help="Run id, its beginning, or 'last'.")],
    home: HomeOpt = None,
    store: StoreOpt = None,
) -> None:
    """What differs between two runs: settings, inputs and numbers."""
    from pipelines.home import Home
    from pipelines.inspect import print_diff

    print_diff(run_a, run_b, Home.open(home, store), out)


@app.command()
def runs(home: HomeOpt = None, store: StoreOpt = None) -> None:
    """List the runs in the store, newest first."""
    from pipelines.home import Home
    from pipelines.inspect import print_runs

    print_runs(Home.open(home, store), out)


@app.command()
def gc(
    home: HomeOpt = None,
    store: StoreOpt = None,
    keep_runs: Annotated[int, typer.Option(min=0, help="Keep what the newest N runs used.")] = 5,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be removed.")] = False,
) -> None:
    """Remove outputs that no recent run uses, and what crashed runs left behind."""
    from pipelines.home import Home
    from pipelines.inspect import collect_garbage

    collect_garbage(Home.open(home, store), out, keep_runs=keep_runs, dry_run=dry_run)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="A text, the path of an image file, or (with --id) the id of a row.")],
    k: Annotated[int, typer.Option("--top", "-k", min=1, help="Matches to show.")] = 8,
    model: Annotated[Path | None, typer.Option(help="Model folder (default: that of the last run).")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Side of the query: left, right, or a name of a bridge's side.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Side to search: left, right, or a name (default: the other side).")
    ] = None,
    by_id: Annotated[bool, typer.Option("--id", help="The query is the id of a row of the model.")] = False,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG contact sheet of the matches (default: HOME/results/search.png).")
    ] = None,
    home: HomeOpt = None,
    store: StoreOpt = None,
) -> None:
    """Search one corpus with an item of the other: top matches with scores, and a contact sheet of pictures."""
    from pipelines.home import Home
    from pipelines.search import SearchOptions, search_and_print

    options = SearchOptions(k=k, model=model, from_=from_, to=to, by_id=by_id, sheet=sheet)
    search_and_print(query, Home.open(home, store), options, out)


@app.command()
def suggest(
    recipe: RecipeArg = "emoji",
    budget: Annotated[int, typer.Option(help="Items to find partners for, in total.")] = 50,
    side: Annotated[
        str, typer.Option(help="Whose items: left, right or both (one side teaches more than half of each).")
    ] = "left",
    method: Annotated[str, typer.Option(help="facility-location, k-medoids or kernel-variance.")] = "facility-location",
    known: Annotated[
        Path | None, typer.Option(help="Pairs to go on from (left_id,right_id) (default: the recipe's, if it has any).")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder of the list and the page (default: HOME/results/NAME).")
    ] = None,
    set_: SetOpt = None,
    home: HomeOpt = None,
    store: StoreOpt = None,
    address: AddressOpt = None,
    no_ray: NoRayOpt = False,
) -> None:
    """Which items to find partners for: a list to fill in and a page to look at. The recipe needs no pairs yet."""
    threads_as_in_ray(no_ray)
    from pipelines.home import Home
    from pipelines.recipe import load_recipe
    from pipelines.runner import RunOptions
    from pipelines.suggest import SuggestConfig, suggest_and_print

    config = SuggestConfig(budget=budget, side=side, method=method, known=str(known.resolve()) if known else None)
    options = RunOptions(address=address, use_ray=not no_ray)
    raise typer.Exit(
        suggest_and_print(load_recipe(recipe, set_ or ()), config, Home.open(home, store), options, out, out=folder)
    )


@app.command()
def ui(
    home: HomeOpt = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
) -> None:
    """Open MLflow's UI on loopback on the database of this home."""
    from cluster.tracking.ui import open_ui
    from pipelines.home import Home

    open_ui(Home.open(home).path, port)


@app.command()
def sync(home: HomeOpt = None) -> None:
    """Send records to MLflow that were kept back while its server was down."""
    from cluster.tracking.tracker import sync as replay
    from pipelines.home import Home

    result = replay(Home.open(home).path)
    out.print(f"{result.pending} records still wait for {result.uri}" if result.pending else "nothing waits")
    raise typer.Exit(1 if result.pending else 0)


@app.command()
def recipes(
    show_yaml: Annotated[str | None, typer.Option("--show", help="Print this recipe with all defaults.")] = None,
    encoders: Annotated[bool, typer.Option("--encoders", help="List the encoders instead.")] = False,
) -> None:
    """List the built-in recipes, or print one in full as a start for your own."""
    from pipelines.inspect import print_encoders, print_recipes

    if encoders:
        print_encoders(out)
    else:
        print_recipes(out, show_yaml)


app.add_typer(bench.app, name="bench")
app.add_typer(serve.app)
app.add_typer(cluster.app)
app.add_typer(evaluate.app)
app.add_typer(tune.app)


def main() -> None:
    """Entry point: one sentence and a non-zero exit code for whatever is the user's to mend."""
    try:
        app()
    except UserError as error:
        err.print(f"isthmus: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # Typer makes this of Ctrl-C and says nothing
            err.print("isthmus: stopped; the same command goes on where it stopped")
        raise
    except Exception as error:
        err.print(f"isthmus: unexpected {type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True)
        err.print(f"the traceback is in {_keep_traceback()}; the same command goes on where it stopped", markup=False)
        sys.exit(3)


def _keep_traceback() -> str:
    """Write the current traceback to a file: a defect of ours is no reading for the user's terminal."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="isthmus-", suffix=".log", delete=False) as file:
        file.write(traceback.format_exc())
    return file.name


if __name__ == "__main__":
    main()
