"""``isthmus cluster …``, ``submit``, ``jobs``, ``stop``: a cluster on this machine, and jobs on any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import HomeOpt, RecipeArg, SetOpt, StoreOpt, out

app = typer.Typer()
cluster = typer.Typer(help="A Ray cluster on this machine that outlives the command.", no_args_is_help=True)
app.add_typer(cluster, name="cluster")

JobsAddressOpt = Annotated[
    str | None, typer.Option("--address", help="Jobs API, http://HOST:PORT (default: the local cluster of this home).")
]
JobArg = Annotated[str, typer.Argument(help="Id of a job, see `isthmus jobs`.")]


@cluster.command("up")
def cluster_up(
    home: HomeOpt = None,
    local: Annotated[bool, typer.Option("--local", help="On this machine; other machines: see cluster/deploy.")] = True,
    cpus: Annotated[int | None, typer.Option(min=1, help="CPUs of the cluster (default: all of this machine).")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of the cluster (default: all of this machine).")] = None,
) -> None:
    """Start a Ray head with dashboard and Jobs API on loopback. It asks for the token in HOME/ray-token."""
    from cluster.local_head import up
    from pipelines.home import Home

    head = up(Home.open(home).path, num_cpus=cpus, num_gpus=gpus)
    out.print(f"dashboard and jobs  {head.address}", markup=False)
    out.print(f"drivers attach to   {head.gcs}", markup=False)
    out.print(f"the token is in     {head.token}", markup=False, soft_wrap=True)


@cluster.command("down")
def cluster_down(home: HomeOpt = None) -> None:
    """End the cluster of this home: the processes that `cluster up` started, no others."""
    from cluster.local_head import down
    from pipelines.home import Home

    out.print(f"ended the cluster at {down(Home.open(home).path).address}", markup=False)


@cluster.command("status")
def cluster_status(home: HomeOpt = None) -> None:
    """Whether the cluster of this home runs, and what it holds. Exit code 1 if none does."""
    import time

    from cluster.local_head import find
    from cluster.rest import answers
    from pipelines.home import Home

    head = find(Home.open(home).path)
    if head is None:
        out.print("no cluster of this home runs")
        raise typer.Exit(1)
    up = answers(head.address, Path(head.token).read_text().strip())
    out.print(f"{head.address}  {'answers' if up else 'does not answer'}", markup=False)
    out.print(f"drivers attach to {head.gcs}; up for {(time.time() - head.began) / 60:,.0f} minutes", markup=False)
    out.print(f"{len(head.family())} processes, {head.memory_bytes / 1e9:.1f} GB", markup=False)
    raise typer.Exit(0 if up else 1)


@app.command()
def submit(
    recipe: RecipeArg = "emoji",
    set_: SetOpt = None,
    address: JobsAddressOpt = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its progress; end with its exit code.")] = False,
    home: HomeOpt = None,
    store: StoreOpt = None,
    job_home: Annotated[
        str | None, typer.Option(help="Home folder on the cluster (default: HOME on a local one, else ~/isthmus-data).")
    ] = None,
    working_dir: Annotated[
        Path | None, typer.Option(help="Folder to send along (at most 100 MiB); the recipe may name files in it.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="The cluster sees this machine's files under the same paths.")
    ] = False,
    env: Annotated[list[str] | None, typer.Option(help="NAME[=VALUE] for the job; no secrets; repeatable.")] = None,
    cpus: Annotated[float, typer.Option(min=0, help="CPUs that the job's driver reserves.")] = 0.0,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs that the job's driver reserves.")] = 0.0,
    memory_gb: Annotated[float, typer.Option(min=0, help="Memory that the job's driver reserves.")] = 0.0,
) -> None:
    """Run a recipe as a job of a Ray cluster. The command may end, the laptop may sleep: the job goes on."""
    from cluster.jobs import Cluster, Submission, environment
    from pipelines.home import Home
    from pipelines.submitting import SubmitOptions, submit_and_print

    here = Home.open(home, store)
    where = Cluster.at(address, here.path)
    # only the flag counts and the environment here: a default below our home is no place on another machine
    what = Submission(
        recipe=recipe, home=job_home or (str(here.path) if where.local else "~/isthmus-data"),
        store=here.store_uri if where.local else store, env=environment(env),
        num_cpus=cpus, num_gpus=gpus, memory_bytes=int(memory_gb * 2**30),
    )  # fmt: skip
    options = SubmitOptions(overrides=tuple(set_ or ()), working_dir=working_dir, shared=shared, follow=follow)
    raise typer.Exit(submit_and_print(where, what, options, out))


@app.command()
def jobs(
    address: JobsAddressOpt = None,
    home: HomeOpt = None,
    logs: Annotated[str | None, typer.Option("--logs", metavar="ID", help="What this job has printed.")] = None,
    follow: Annotated[str | None, typer.Option("--follow", metavar="ID", help="Show it until it ends.")] = None,
) -> None:
    """List the jobs of a cluster, newest first, or show what one of them prints."""
    from cluster.jobs import Cluster
    from pipelines.home import Home
    from pipelines.submitting import follow_and_print, print_jobs, print_logs

    where = Cluster.at(address, Home.open(home).path)
    if follow:
        raise typer.Exit(follow_and_print(where, follow, out))
    if logs:
        print_logs(where, logs, out)
    else:
        print_jobs(where, out)


@app.command()
def stop(job: JobArg, address: JobsAddressOpt = None, home: HomeOpt = None) -> None:
    """Stop a job. What it has finished stays in the store."""
    from cluster.jobs import Cluster
    from cluster.jobs import stop as stop_job
    from pipelines.home import Home

    stopped = stop_job(Cluster.at(address, Home.open(home).path), job)
    out.print(f"{job} {'is being stopped' if stopped else 'had ended already'}", markup=False)
