"""All objectives on the same network, batches and steps: probes of frozen features over seeds, clean and noisy views.

Intervals are Student's over seeds; a seed draws the split, the weights, the batches and the views. Every seed runs all
objectives before the next one begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.evaluation.intervals import t_interval
from components.objectives.registry import OBJECTIVES
from pipelines.bench.objectives.training import Trial, probes, train
from pipelines.bench.objectives.worlds import VIEWS, World, digits, pictures

WORLDS = {"digits": digits, "pictures": pictures}
UNTRAINED = "untrained"


def measure_table(*, steps: Mapping[str, int], seeds: Sequence[int]) -> dict[str, Any]:
    """World -> views -> objective -> probe -> mean, low, high; ``steps`` of each world.

    ``untrained`` is the network as it was drawn.
    """
    found: dict[str, Any] = {}
    for world, count in steps.items():
        found[world] = {views: _rows(world, views, count, seeds) for views in VIEWS}
    return found


def _rows(world: str, views: str, steps: int, seeds: Sequence[int]) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        for objective in (UNTRAINED, *OBJECTIVES):
            runs.setdefault(objective, []).append(_run(WORLDS[world](seed), objective, views, steps, seed))
    return {objective: _summary(several) for objective, several in runs.items()}


def _run(world: World, objective: str, views: str, steps: int, seed: int) -> dict[str, float]:
    if objective == UNTRAINED:
        objective, steps = "info-nce", 0
    return probes(train(world, Trial(objective=objective, settings={}, steps=steps, views=views, seed=seed)), world)


def _summary(runs: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    summary = {}
    for name in runs[0]:
        bounds = (0.0, 1.0) if name in ("knn", "linear") else (0.0, np.inf)
        found = t_interval(np.array([run[name] for run in runs]), bounds=bounds)
        summary[name] = {"mean": found.mean, "low": found.low, "high": found.high}
    return summary
