"""What `submit` and `jobs` do and show."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cluster.jobs import RECIPE, STOPPED, Cluster, Submission, follow, jobs, logs, submit
from components.errors import UserError
from pipelines.bundle import pack
from pipelines.recipe import load_any_recipe


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """As in ``isthmus submit --help``."""

    overrides: tuple[str, ...] = ()
    working_dir: Path | None = None
    shared: bool = False
    follow: bool = False


def submit_and_print(cluster: Cluster, what: Submission, options: SubmitOptions, console: Console) -> int:
    """Pack, submit and perhaps follow. ``what.recipe`` is a name or a file. Returns the exit code.

    Raises:
        UserError: the recipe is refused, names files that the cluster does not see, or has no store there.
    """
    recipe = load_any_recipe(what.recipe, options.overrides)
    if not cluster.local and not what.store and "ISTHMUS_STORE" not in what.env:
        do = "give --store a URI or a shared path (or --env ISTHMUS_STORE=…)"
        raise UserError("a cluster of several nodes needs a store that all of them see", do=do)
    if not cluster.local and "//127.0.0.1" in (uri := what.env.get("MLFLOW_TRACKING_URI", "")):
        console.print(f"MLFLOW_TRACKING_URI is {uri}: on the cluster that is another machine", style="yellow")
    with tempfile.TemporaryDirectory(prefix="isthmus-submit-") as folder:
        pack(recipe, Path(folder), RECIPE, base=options.working_dir, here=cluster.local or options.shared)
        job_id = submit(cluster, replace(what, recipe=recipe.name, folder=Path(folder)))
    console.print(f"submitted {job_id} to {cluster.address}", markup=False)
    if options.follow:
        return follow_and_print(cluster, job_id, console)
    console.print(f"follow it with: isthmus jobs --follow {job_id}", markup=False)
    return 0


def follow_and_print(cluster: Cluster, job_id: str, console: Console) -> int:
    """What the job prints, until it ends. Returns its exit code; Ctrl-C leaves it running."""
    try:
        ended = follow(
            cluster, job_id, lambda text: console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
        )
    except KeyboardInterrupt:
        console.print(f"\n{job_id} goes on; to end it: isthmus stop {job_id}", markup=False)
        return STOPPED
    told = f" ({ended.message})" if ended.exit_code and ended.code is None else ""
    console.print(f"{job_id} {ended.status} after {ended.seconds:.0f} s{told}", markup=False, soft_wrap=True)
    return ended.exit_code


def print_jobs(cluster: Cluster, console: Console) -> None:
    """Newest first."""
    table = Table("job", "recipe", "status", "started", "seconds", "exit", box=None)
    for job in jobs(cluster):
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.started)) if job.started else ""
        code = str(job.exit_code) if job.ended else ""
        table.add_row(job.id, job.recipe, job.status, started, f"{job.seconds:,.0f}", code)
    console.print(table)


def print_logs(cluster: Cluster, job_id: str, console: Console) -> None:
    """All of it so far."""
    console.print(logs(cluster, job_id), end="", markup=False, highlight=False, soft_wrap=True)
