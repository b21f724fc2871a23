"""``isthmus bench …``: one command for each number that the README claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import AddressOpt, HomeOpt, MetricsOpt, NoRayOpt, QuickOpt, StoreOpt, out, threads_as_in_ray

PartOpt = Annotated[list[str] | None, typer.Option(help="Only this part of it; repeatable (default: all).")]

app = typer.Typer(help="Measure what the README claims, on this machine.", no_args_is_help=True)


@app.command("demo")
def bench_demo(quick: QuickOpt = False, metrics_out: MetricsOpt = None) -> None:
    """The main job from cold, again, and `plan` (goals: 5 minutes and 6 GB, 8 s, 3 s)."""
    _bench("demo", quick, metrics_out)


@app.command("suggest")
def bench_suggest(quick: QuickOpt = False, metrics_out: MetricsOpt = None) -> None:
    """Choice of items to pair at 10^4, 10^5 and 10^6 rows: time and memory."""
    _bench("suggest", quick, metrics_out)


@app.command("overhead")
def bench_overhead(quick: QuickOpt = False, metrics_out: MetricsOpt = None) -> None:
    """Cost of the DAG layer per step, in process and on Ray (goal: at most 150 ms)."""
    _bench("overhead", quick, metrics_out)


@app.command("encode")
def bench_encode(quick: QuickOpt = False, metrics_out: MetricsOpt = None) -> None:
    """Ray Data encoding against the bare encoder loop on the same cores (goal: at least 85 %)."""
    _bench("encode", quick, metrics_out)


@app.command("spectral")
def bench_spectral(quick: QuickOpt = False, metrics_out: MetricsOpt = None) -> None:
    """Eigensolver against SpectralNet at 10k, 30k and 100k rows: time, memory, subspace error."""
    _bench("spectral", quick, metrics_out)


@app.command("objectives")
def bench_objectives(quick: QuickOpt = False, metrics_out: MetricsOpt = None) -> None:
    """Losses of encoder training: speed against POT, unrolled and tensor forms; a table of what each of them trains."""
    _bench("objectives", quick, metrics_out)


@app.command("scale")
def bench_scale(quick: QuickOpt = False, metrics_out: MetricsOpt = None, part: PartOpt = None) -> None:
    """Sweep against separate runs, jobs, drivers side by side, cost model (goals: 5×; 20 s to the first step)."""
    _bench("scale", quick, metrics_out, part)


@app.command("applications")
def bench_applications(quick: QuickOpt = False, metrics_out: MetricsOpt = None, part: PartOpt = None) -> None:
    """Zero-shot classes, arithmetic, transfer, universality, each with interval, control and what is claimed."""
    _bench("applications", quick, metrics_out, part)


@app.command("bridge")
def bench_bridge(quick: QuickOpt = False, metrics_out: MetricsOpt = None, part: PartOpt = None) -> None:
    """Scores through a third modality: speed, error and memory of the kernel; the paper's experiments; real data."""
    _bench("bridge", quick, metrics_out, part)


@app.command("alignment")
def bench_alignment(
    quick: QuickOpt = False,
    metrics_out: MetricsOpt = None,
    corpus: Annotated[
        list[str] | None, typer.Option(help="Corpus or recipe; repeatable (default: all known ones).")
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Method; repeatable (default: all).")] = None,
    budget: Annotated[
        list[int] | None, typer.Option(help="Known pairs; repeatable (default: 0 10 30 50 100 200 500).")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of each cell (default: 5; 3 with --quick).")] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="disjoint or sue; repeatable.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="random or group; repeatable.")] = None,
    selection: Annotated[
        list[str] | None, typer.Option(help="random, coverage, sequential or asked; repeatable.")
    ] = None,
    rows: Annotated[list[int] | None, typer.Option(help="Also with so many unpaired rows a side; repeatable.")] = None,
    corpora: Annotated[
        Path | None, typer.Option(help="Folder of the development corpora (default: $ISTHMUS_CORPORA).")
    ] = None,
    force: Annotated[list[str] | None, typer.Option(help="Fit this method's cells again; repeatable.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Cells at a time (default: all cores).")] = None,
    no_ray: NoRayOpt = False,
    address: AddressOpt = None,
    no_tracking: Annotated[bool, typer.Option("--no-tracking", help="Leave MLflow out.")] = False,
    home: HomeOpt = None,
    store: StoreOpt = None,
) -> None:
    """Every aligner on every corpus: recall by pairs, rows, split and choice of pairs, with intervals and costs."""
    threads_as_in_ray(no_ray)
    from pipelines.bench.alignment.command import run_bench_alignment
    from pipelines.bench.alignment.options import make_options
    from pipelines.home import Home

    options = make_options(
        quick=quick,
        corpora=corpus,
        methods=method,
        budgets=budget,
        seeds=seeds,
        protocols=protocol,
        splits=split,
        selections=selection,
        rows=rows,
        folder=corpora,
        force=force,
        workers=workers,
        use_ray=not no_ray,
        address=address,
        metrics_out=metrics_out,
        track=not no_tracking,
    )
    raise typer.Exit(run_bench_alignment(options, Home.open(home, store), out))


def _bench(name: str, quick: bool, metrics_out: Path | None, parts: list[str] | None = None) -> None:
    from pipelines.bench import run_bench

    run_bench(name, quick=quick, metrics_out=metrics_out, console=out, parts=parts or ())
