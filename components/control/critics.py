"""Contrastive critics of a maze: (state, action) with a later state, and state with the name of its row or column.

φ_A(s, a), φ_B(s) and φ_C(name) in one space, compared by −½s‖·‖² (LUCL, Che & Eysenbach, ICLR 2025; contrastive goals:
Eysenbach et al. 2022). Nobody sees an action together with a name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.alignment.protocol import Pairs
from components.bridging.bridge import Bridge
from components.bridging.training import CriticTraining, TrainedCritics, train_critics
from components.checks import check_range
from components.control.maze import Maze
from components.control.walks import wander

WAVES = 3


@dataclass(frozen=True, kw_only=True)
class ControlConfig:
    """What is walked and learned.

    Attributes:
        walks, walk_steps: without any goal.
        pairs: of each kind to learn from.
        leave: probability per step that the later state is this one.
        dim, width, epochs, batch, learning_rate: see :class:`components.bridging.training.CriticTraining`.
    """

    walks: int = 2000
    walk_steps: int = 60
    pairs: int = 60_000
    leave: float = 0.1
    dim: int = 8
    width: int = 128
    epochs: int = 8
    batch: int = 256
    learning_rate: float = 5e-3

    def __post_init__(self) -> None:
        for name in ("walks", "walk_steps"):
            check_range(name, getattr(self, name), 1)
        check_range("pairs", self.pairs, 2)
        check_range("leave", self.leave, 0, 1, above=True)

    def training(self, seed: int) -> CriticTraining:
        return CriticTraining(
            kind="l2",
            dim=self.dim,
            hidden=(self.width, self.width),
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            seed=seed,
        )


@dataclass(frozen=True)
class MazeCritics:
    """Encoders and critics of one maze; all rows are [N, dim]."""

    maze: Maze
    trained: TrainedCritics

    @classmethod
    def learn(cls, maze: Maze, config: ControlConfig, *, seed: int) -> MazeCritics:
        """Walk without a goal, then learn from pairs out of the walks, and from named states."""
        rng = np.random.default_rng([seed, 0])
        here, angles, later = wander(maze, config.walks, config.walk_steps, rng).pairs(config.pairs, config.leave, rng)
        there = maze.sample(config.pairs, rng)
        either = rng.integers(2, size=config.pairs)  # the row's name or the column's
        names = _one_hot(maze.labels(there)[np.arange(config.pairs), either], len(maze.names))
        ab = Pairs(_acts(maze, here, angles), _places(maze, later))
        return cls(maze, train_critics(ab, Pairs(_places(maze, there), names), config.training(seed)))

    def actions(self, positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """φ_A of positions [N, 2] and angles [N]."""
        return self.trained.a(_acts(self.maze, positions, angles))

    def names(self) -> np.ndarray:
        """φ_C of every name of the maze."""
        return self.trained.c(np.eye(len(self.maze.names), dtype=np.float32))

    def bridge(self, count: int, *, seed: int) -> Bridge:
        """φ_B of ``count`` free states, uniform; a smaller bridge is the beginning of a larger one."""
        places = _places(self.maze, self.maze.sample(count, np.random.default_rng([seed, 1])))
        return self.trained.bridge([str(n) for n in range(count)], places)


def _places(maze: Maze, positions: np.ndarray) -> np.ndarray:
    """Coordinates in -1..1 and waves of them, so that walls are learned from few walks. [N, 2 + 4 WAVES]"""
    scaled = 2 * positions / np.array(maze.free.shape[::-1]) - 1
    waves = [f(np.pi * k * scaled) for k in range(1, WAVES + 1) for f in (np.sin, np.cos)]
    return np.concatenate([scaled, *waves], axis=1).astype(np.float32)


def _acts(maze: Maze, positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
    headings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return np.concatenate([_places(maze, positions), headings], axis=1)


def _one_hot(values: np.ndarray, count: int) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[values]
