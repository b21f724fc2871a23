"""Direct, bridged, averaged and random choice in one maze, over seeds and sizes of the bridge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.control.critics import ControlConfig, MazeCritics
from components.control.maze import Maze
from components.control.navigation import EpisodeConfig, Outcome, run_episodes
from components.control.policies import averaged, bridge, chance, direct
from components.evaluation.intervals import t_interval

MEASURES = ("success", "spl")


def run_seed(
    layout: str, seed: int, sizes: Sequence[int], config: ControlConfig, episodes: EpisodeConfig
) -> dict[str, Outcome]:
    """Train and try once: ``direct``, ``random``, and with the largest bridge ``lse`` and ``averaged_states``; ``lse``
    at every size as ``lse/M``."""
    critics = MazeCritics.learn(Maze.named(layout), config, seed=seed)
    states = critics.bridge(max(sizes), seed=seed)
    scores = {"direct": direct(critics), "averaged_states": averaged(critics, states), "random": chance(seed)}
    scores |= {f"lse/{size}": bridge(critics, states.take(slice(0, size))) for size in sizes}
    found = {name: run_episodes(critics, score, episodes, seed=seed) for name, score in scores.items()}
    return {**found, "lse": found[f"lse/{max(sizes)}"]}


def summarise(runs: Sequence[dict[str, Outcome]], sizes: Sequence[int]) -> dict[str, Any]:
    """Means and 95 % intervals over seeds; ``gain``: of ``lse`` over the others, seed by seed; ``curve``: by size."""

    def interval(values: Sequence[float], low: float = 0.0) -> dict[str, float]:
        return t_interval(np.array(values), bounds=(low, 1)).to_json()

    def values(name: str, measure: str) -> list[float]:
        return [getattr(run[name], measure) for run in runs]

    names = ("direct", "lse", "averaged_states", "random")
    found: dict[str, Any] = {n: {m: interval(values(n, m)) for m in MEASURES} for n in names}
    found["gain"] = {
        n: {m: interval(np.subtract(values("lse", m), values(n, m)).tolist(), -1.0) for m in MEASURES}
        for n in ("direct", "averaged_states")
    }
    found["curve"] = {str(s): {m: interval(values(f"lse/{s}", m)) for m in MEASURES} for s in sizes}
    return found
