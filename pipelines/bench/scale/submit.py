"""From `isthmus submit` to the start of the first step, on a local cluster that has run a job before (goal: 20 s)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cluster.local_head import down, up
from cluster.workflow.keys import object_name
from cluster.workflow.store import Store
from pipelines.bench.scale.drivers import write_world


def measure(*, quick: bool = False) -> dict[str, Any]:
    """The command as a user gives it, a process of its own; the second job counts. ``quick`` changes nothing."""
    with tempfile.TemporaryDirectory(prefix="isthmus-submit-") as scratch:
        home, recipe = Path(scratch) / "home", write_world(Path(scratch) / "world")
        up(home)
        try:
            _submit(recipe, home, seed=1)
            began = time.time()
            _submit(recipe, home, seed=2)
            return {"submit_to_first_step_s": first_step(Store.at(home / "store"), began) - began}
        finally:
            down(home)


def first_step(store: Store, since: float) -> float:
    """When the first step began that was run after a moment; unix seconds."""
    steps = store.read_run(store.run_ids()[-1])["steps"]
    read = [store.read(object_name(name, step["key"])) for name, step in steps.items() if step["state"] == "RAN"]
    begins = [m.made["time"] - m.made["seconds"] for m in read if m is not None]
    return float(min(b for b in begins if b >= since))


def _submit(recipe: Path, home: Path, seed: int) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "submit", str(recipe), "--follow", "--home", str(home)]
    command += ["--set", f"seed={seed}", "--set", "aligner=procrustes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
