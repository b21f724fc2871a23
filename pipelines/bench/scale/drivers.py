"""Eight drivers at once on one store and one MLflow server: each distinct step runs once, and no record is lost."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.bench.scale.servers import MlflowServer, Postgres, postgres_programs

DRIVERS = 8
ALIGNERS = ("ridge-cca", "procrustes")  # two recipes, that share all steps but a few
ROWS, PAIRS = 400, 120
SYNC_S = 300.0
RECIPE = """
pipeline: align
left:  {source: left.parquet}
right: {source: right.parquet}
pairs: pairs.csv
pairs_budget: 60
preprocess: {pca_dim: null}
splits: {draws: 2}
"""


@dataclass(frozen=True, kw_only=True)
class Together:
    """What eight drivers left. ``errors``: drivers that failed, records that were refused, runs that MLflow lacks."""

    drivers: int
    steps: int
    steps_run_more_than_once: int
    errors: int
    output: tuple[str, ...]


def measure(*, quick: bool = False) -> dict[str, Any]:
    """On PostgreSQL if it is installed, else on SQLite behind the same server. ``quick`` changes nothing."""
    with tempfile.TemporaryDirectory(prefix="isthmus-drivers-") as scratch, server(Path(scratch)) as served:
        found = run_together(Path(scratch), served)
    numbers = {name: value for name, value in vars(found).items() if name != "output"}
    return {"concurrent_drivers": {**numbers, "database": "postgresql" if postgres_programs() else "sqlite"}}


@contextlib.contextmanager
def server(folder: Path) -> Iterator[MlflowServer]:
    """An MLflow server with artifact proxy and login; on a fresh PostgreSQL if that is installed."""
    with contextlib.ExitStack() as stack:
        databases: dict[str, Any] = {}
        if postgres_programs():
            postgres = stack.enter_context(Postgres())
            names = {"database": postgres.create("runs"), "logins": postgres.create("logins")}
            databases = {**names, "environment": postgres.environment}
        yield stack.enter_context(MlflowServer(folder, **databases))


def run_together(root: Path, served: MlflowServer, drivers: int = DRIVERS) -> Together:
    """Start the drivers at once, each a process with a home of its own, and compare what store and MLflow say."""
    recipe = write_world(root / "world")
    homes = [root / f"home-{n}" for n in range(drivers)]
    environment = {**os.environ, **served.client, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(  # noqa: S603  # our own command
            _command(recipe, home, root / "store", ALIGNERS[n % len(ALIGNERS)]),
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for n, home in enumerate(homes)
    ]  # fmt: skip
    try:
        output = tuple(process.communicate()[0] for process in running)
    finally:
        for process in running:
            process.kill()  # nothing happens to those that ended
    failed = sum(process.returncode != 0 for process in running)
    keys, ran = _ran(root / "store")
    with _environment(served.client):
        refused = sum(_send_rest(home) for home in homes)
        lost = _lost(served, _states(root / "store"))
    repeated = sum(count != 1 for count in ran.values()) + len(keys - set(ran))
    errors = failed + refused + lost
    return Together(drivers=drivers, steps=len(keys), steps_run_more_than_once=repeated, errors=errors, output=output)


def write_world(folder: Path) -> Path:
    """Rows of a hidden space seen by two linear encoders, some of them known pairs. Returns the recipe."""
    from components.embeddings import Embeddings
    from components.files import Folder

    rng, ids = np.random.default_rng(0), [f"i{n:03d}" for n in range(ROWS)]
    hidden = rng.normal(size=(ROWS, 8))
    for side in ("left", "right"):
        rows = hidden @ rng.normal(size=(8, 16)) + 0.5 * rng.normal(size=(ROWS, 16))
        Folder.at(folder).write_table(f"{side}.parquet", Embeddings(ids, rows.astype(np.float32)).to_table())
    pairs = "".join(f"{i},{i}\n" for i in ids[:PAIRS])
    (folder / "pairs.csv").write_text("left_id,right_id\n" + pairs)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder / "recipe.yaml"


def _command(recipe: Path, home: Path, store: Path, aligner: str) -> list[str]:
    command = [sys.executable, "-m", "pipelines.cli", "run", str(recipe), "--no-ray", "--home", str(home)]
    return [*command, "--store", str(store), "--set", f"aligner={aligner}"]


def _states(store: Path) -> dict[str, dict[str, Any]]:
    """What each run's record says of its steps."""
    from cluster.workflow.store import Store

    opened = Store.at(store)
    return {run: opened.read_run(run)["steps"] for run in opened.run_ids()}


def _ran(store: Path) -> tuple[set[str], Counter[str]]:
    """Keys of all steps, and how often each of them was run."""
    steps = [step for record in _states(store).values() for step in record.values()]
    return {s["key"] for s in steps}, Counter(s["key"] for s in steps if s["state"] == "RAN")


def _send_rest(home: Path) -> int:
    """A driver does not wait long for a busy server: `isthmus sync` sends the rest. Returns what was refused."""
    from cluster.tracking.tracker import sync

    result = sync(home, timeout_s=SYNC_S)
    return int(result.rejected + result.pending)


def _lost(served: MlflowServer, records: Mapping[str, Mapping[str, Any]]) -> int:
    """Runs and steps of the store's records that MLflow does not have exactly once, and finished."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(served.uri)
    experiment = client.get_experiment_by_name("isthmus")
    found = client.search_runs([experiment.experiment_id], max_results=5000) if experiment else []
    done = Counter(r.data.tags["isthmus.uid"] for r in found if r.info.status == "FINISHED")
    expected = {uid for run, steps in records.items() for uid in (run, *(f"{run}/{name}" for name in steps))}
    return sum(done[uid] != 1 for uid in expected) + len(set(done) - expected)


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    kept = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
