"""The built-in corpus and digits: zero-shot classes, arithmetic, transfer and universality, and budget curves.

Pictures and names of emoji, 100 pairs chosen by coverage; every seed holds out other pairs. ``goals`` says what the
README claims: accuracies in times of chance and above ridge CCA, gains over the operands, shares of the gap.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.evaluation.transfer import MMD
from pipelines.bench.applications.evaluated import evaluated
from pipelines.steps.spaces import BASELINE

SETTINGS = ("pairs_selection=coverage", "compare=[]")
FULL_ALIGNER, QUICK_ALIGNER = "auto", "fused-kernel-ridge"
QUICK = ("splits.draws=3",)
ONCE = ("digits-zero-shot", "digits-transfer", "budget-curves")
EACH_SEED = ("zero-shot", "arithmetic", "transfer", "universality")
SEEDS = (0, 1, 2, 3)  # prompts and sums were settled on 0
TESTED = ("walks", "cosines", "angles")


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Quick: one seed, three draws, one aligner instead of ``auto``, no curves."""
    more, seeds, own = (QUICK, SEEDS[:1], ONCE[:-1]) if quick else ((), SEEDS, ONCE)
    exported = QUICK_ALIGNER if quick else FULL_ALIGNER
    common = [*SETTINGS, *more, f"aligner={exported}"]
    with tempfile.TemporaryDirectory(prefix="isthmus-applications-") as folder:
        home = Path(folder)
        runs = {
            f"seed {seed}": evaluated("emoji", home, only=EACH_SEED, settings=[*common, f"seed={seed}"])
            for seed in seeds
        }
        once = evaluated("emoji", home, only=own, settings=common)
    found = {key: {"emoji": {name: run[key] for name, run in runs.items()}} for key in runs["seed 0"]}
    found["zero_shot"] |= {
        "digits": once["zero_shot_digits"],
        "goals": zero_shot_goals([r["zero_shot"] for r in runs.values()], exported),
    }
    found["arithmetic"]["goals"] = lows([r["arithmetic"] for r in runs.values()])
    kinds = {k: v for k, v in once["transfer_digits"].items() if isinstance(v, dict)}
    found["transfer"] |= {"digits": once["transfer_digits"], "goals": {k: _closed(v) for k, v in kinds.items()}}
    found["universality"] = {"emoji": {n: _brief(u) for n, u in found["universality"]["emoji"].items()}}
    worst = {part: max(u[part]["p"] for u in found["universality"]["emoji"].values()) for part in TESTED}
    found["universality"]["goals"] = {f"p_{part}": p for part, p in worst.items()}
    return {**found, **({} if quick else {"curves": once["curves"]}), "exported": exported}


def zero_shot_goals(runs: Sequence[Mapping[str, Any]], exported: str) -> dict[str, Any]:
    """By column of labels, mean over runs: accuracy over chance, and points above ridge CCA."""
    goals = {}
    for column in runs[0]:
        own = [run[column]["methods"][exported]["accuracy"]["mean"] for run in runs]
        base = [run[column]["methods"][BASELINE]["accuracy"]["mean"] for run in runs]
        chance = [run[column]["chance"]["accuracy"] for run in runs]
        times = sum(a / c for a, c in zip(own, chance, strict=True)) / len(runs)
        above = 100 * sum(a - b for a, b in zip(own, base, strict=True)) / len(runs)
        goals[column] = {"times_chance": times, "points_above_ridge_cca": above}
    return goals


def lows(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Smallest lower bound of the gain over each operand, over runs: above 0 it is met by all of them."""
    return {
        kind: {part: min(run["gains"][kind][part]["low"] for run in runs) for part in parts}
        for kind, parts in runs[0]["gains"].items()
    }


def _closed(kind: Mapping[str, Any]) -> dict[str, float]:
    return {name: share["mean"] for name, share in kind["closed"].items() if name in ("auto", MMD)}


def _brief(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is only drawn."""
    return {name: {k: v for k, v in part.items() if not isinstance(v, list)} for name, part in numbers.items()}
