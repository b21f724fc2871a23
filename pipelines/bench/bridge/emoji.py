"""Pictures and Japanese words that were never paired, through English names: the recipe ``bridge-emoji`` itself.

100 pairs on either side. All is as that recipe does it, but that heads are not trained, no smaller bridges are tried
and, if quick, one draw of the pairs is made. A seed draws the judged pairs and the known ones. The oracle is the best
of the same aligners (kernel ridge, CCA) on as many real picture–Japanese pairs; the control has shuffled pairs.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from pipelines.bench.bridge.runs import summary
from pipelines.home import Home
from pipelines.recipe import load_any_recipe
from pipelines.runner import RunOptions, run_recipe

RECIPE = "bridge-emoji"
SETTINGS = ("critics.train=none", "bridge.sizes=[]")
METHODS = {"bridge": "monte-carlo (aligned)", "smoothed": "smoothed (aligned)", "oracle": "oracle", "chance": "chance"}


def measure(*, quick: bool) -> dict[str, Any]:
    """``emoji``: means over seeds, shares; ``…_r1`` is R@1, the others R@10, both directions."""
    settings = (*SETTINGS, "splits.draws=1") if quick else SETTINGS
    with tempfile.TemporaryDirectory() as folder:
        home = Home.open(Path(folder))
        runs = [run_one(RECIPE, home, (*settings, f"seed={seed}")) for seed in range(3 if quick else 5)]
    return {"emoji": summary(runs)}


def run_one(recipe: str, home: Home, settings: tuple[str, ...]) -> dict[str, float]:
    """Run a recipe of pipeline ``bridge`` with aligned critics. Raises RuntimeError with what it said if it fails."""
    said, numbers = io.StringIO(), home.path / "metrics.json"
    options = RunOptions(use_ray=False, metrics_out=numbers)
    if run_recipe(load_any_recipe(recipe, settings), home, options, Console(file=said)):
        raise RuntimeError(said.getvalue())
    return shares(json.loads(numbers.read_text()))


def shares(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Recalls of a run's ``metrics.json``."""
    found = {name: metrics["retrieval"][method]["mean"] for name, method in METHODS.items()}
    found["shuffled_pairs"] = metrics["controls"]["shuffled-pairs"][METHODS["bridge"]]["mean"]
    recalls = {name: entry["R@10"] / 100 for name, entry in found.items()}
    recalls |= {f"{name}_r1": entry["R@1"] / 100 for name, entry in found.items()}
    ratios = {f"bridge{end}_over_oracle": recalls[f"bridge{end}"] / recalls[f"oracle{end}"] for end in ("", "_r1")}
    return recalls | ratios
