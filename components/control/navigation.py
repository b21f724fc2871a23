"""Episodes: from anywhere to the row or column that is named, many at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.checks import check_range
from components.control.critics import MazeCritics
from components.control.policies import DIRECTIONS, Score


@dataclass(frozen=True, kw_only=True)
class EpisodeConfig:
    """``episodes`` of at most ``steps`` steps; every action's angle is off by N(0, ``noise``²) degrees."""

    episodes: int = 500
    steps: int = 100
    noise: float = 20.0

    def __post_init__(self) -> None:
        check_range("episodes", self.episodes, 1)
        check_range("steps", self.steps, 1)
        check_range("noise", self.noise, 0, 180)


@dataclass(frozen=True)
class Outcome:
    """``success`` and ``spl``, means over episodes. SPL (Anderson et al. 2018): success times the shortest way over the
    way taken."""

    success: float
    spl: float


def run_episodes(critics: MazeCritics, score: Score, config: EpisodeConfig, *, seed: int) -> Outcome:
    """Starts, goals and noise by ``seed`` alone: equal for all policies. Nobody starts at the goal."""
    maze, rng = critics.maze, np.random.default_rng([seed, 2])
    here, goals = _tasks(critics, config.episodes, rng)
    ways = maze.ways(here)[np.arange(len(goals)), goals]
    noise = np.deg2rad(config.noise) * rng.standard_normal((config.steps, len(goals)))
    taken = np.full(len(goals), np.inf)
    for step in range(config.steps):
        left = np.flatnonzero(np.isinf(taken))
        if not len(left):
            break
        angles = _choose(critics, score, here[left], goals[left]) + noise[step, left]
        here[left] = maze.move(here[left], angles)
        arrived = left[(maze.labels(here[left]) == goals[left, None]).any(axis=1)]
        taken[arrived] = (step + 1) * maze.step
    return Outcome(float(np.isfinite(taken).mean()), float((ways / np.maximum(taken, ways)).mean()))


def _tasks(critics: MazeCritics, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Starts [N, 2], and names [N] of a row or a column of another place, not those of the start."""
    maze = critics.maze
    starts, goals = np.zeros((0, 2)), np.zeros(0, np.int64)
    while len(starts) < count:
        start, end = maze.sample(2 * count, rng).reshape(2, count, 2)
        goal = maze.labels(end)[np.arange(count), rng.integers(2, size=count)]
        elsewhere = (maze.labels(start) != goal[:, None]).all(axis=1)
        starts, goals = np.concatenate([starts, start[elsewhere]]), np.concatenate([goals, goal[elsewhere]])
    return starts[:count], goals[:count]


def _choose(critics: MazeCritics, score: Score, here: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """The direction with the highest score. [N]"""
    count = len(DIRECTIONS)
    actions = critics.actions(np.repeat(here, count, axis=0), np.tile(DIRECTIONS, len(here)))
    scores = score(actions, np.repeat(goals, count)).reshape(-1, count)
    return np.asarray(DIRECTIONS[scores.argmax(axis=1)])
