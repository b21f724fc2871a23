"""A sweep against separate runs of the same settings, and what a trial costs beside its own work.

Both are whole commands in processes of their own, from an empty store. Of the separate runs a few are timed, one a
budget as far as they go, and stand for all of them: ``separate_runs_timed`` says how many.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from components.tuning.space import Point
from pipelines.search_space import base_recipe, load_search, space_of

SPACE, QUICK_SPACE = "pairs-and-ot", "quick"
SEPARATE, QUICK_SEPARATE = 3, 1
LIGHT, QUICK_LIGHT = 24, 10
RECIPE = "emoji"


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``sweep`` and ``per_trial_overhead_s``. The latter: with all shared steps in the store, what the trials' time on
    the slots they ran in exceeds the seconds of their own steps, per trial; processes that start are in it."""
    space = QUICK_SPACE if quick else SPACE
    with tempfile.TemporaryDirectory(prefix="isthmus-sweep-") as folder:
        home = Path(folder) / "home"
        seconds, swept = _sweep(home, space)
        overhead = _overhead(home, Path(folder) / "light.yaml", QUICK_LIGHT if quick else LIGHT)
    points = _spread(_points(space), QUICK_SEPARATE if quick else SEPARATE)
    separate = [_separate(space, point) for point in points]
    trials = len(swept["trials"])
    return {
        "sweep": {
            "trials": trials,
            "trials_failed": swept["states"]["failed"],
            "seconds": seconds,
            "separate_run_seconds": separate,
            "separate_runs_timed": len(separate),
            "speedup_vs_separate_runs": trials * float(np.mean(separate)) / seconds,
        },
        "per_trial_overhead_s": overhead,
    }


def _points(space: str) -> list[Point]:
    search = load_search(space)
    return list(space_of(search, base_recipe(RECIPE, search, [])).grid())


def _spread(points: Sequence[Point], number: int) -> list[Point]:
    """Evenly over the grid, so that budgets and settings both change."""
    return [points[int((n + 0.5) * len(points) / number)] for n in range(number)]


def _overhead(home: Path, path: Path, trials: int) -> float:
    dims = [64 + 4 * n for n in range(trials)]
    light = {"set": {"compare": [], "aligner": "ridge-cca"}, "space": {"preprocess.pca_dim": {"choice": dims}}}
    path.write_text(yaml.safe_dump(light))
    _, swept = _sweep(home, str(path))
    ran = sum(t["cost_s"] for t in swept["trials"])
    return float(swept["wall_s"] * swept["concurrent"] - ran) / trials


def _sweep(home: Path, space: str) -> tuple[float, dict[str, Any]]:
    seconds = _timed("tune", RECIPE, "--space", space, "--no-full", "--home", str(home))
    return seconds, json.loads((home / "results" / RECIPE / "sweep" / "sweep.json").read_text())


def _separate(space: str, point: Point) -> float:
    """One ``isthmus run`` of a trial's settings from an empty store."""
    settings = {**load_search(space).set, **point}
    sets = [arg for key, value in settings.items() for arg in ("--set", f"{key}={json.dumps(value)}")]
    with tempfile.TemporaryDirectory(prefix="isthmus-separate-") as home:
        return _timed("run", RECIPE, *sets, "--home", home)


def _timed(*arguments: str) -> float:
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
        )
    return time.monotonic() - started
