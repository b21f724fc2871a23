"""Data that critics learn from: walks without any goal, and names of the rows and columns where somebody stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.control.maze import Maze

TURN = 0.5  # standard deviation of the change of direction per step, in radians


@dataclass(frozen=True)
class Walks:
    """``positions`` [W, T + 1, 2] and the ``angles`` [W, T] that led from one to the next."""

    positions: np.ndarray
    angles: np.ndarray

    def pairs(self, count: int, leave: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions [N, 2], angles [N] there and positions [N, 2] later, after Geometric(``leave``) steps.

        What is beyond the end of its walk is drawn again as the walk's end.
        """
        walk = rng.integers(len(self.angles), size=count)
        start = rng.integers(self.angles.shape[1], size=count)
        later = np.minimum(start + rng.geometric(leave, size=count), self.angles.shape[1])
        return self.positions[walk, start], self.angles[walk, start], self.positions[walk, later]


def wander(maze: Maze, walks: int, steps: int, rng: np.random.Generator) -> Walks:
    """Walks from anywhere that turn a little at each step, and about where a wall stops them."""
    here, angle = maze.sample(walks, rng), rng.uniform(-np.pi, np.pi, walks)
    positions, angles = [here], []
    for _ in range(steps):
        there = maze.move(here, angle)
        angles.append(angle)
        positions.append(there)
        stopped = np.linalg.norm(there - here, axis=1) < 0.9 * maze.step
        turned = angle + TURN * rng.standard_normal(walks)
        angle = np.where(stopped, rng.uniform(-np.pi, np.pi, walks), turned)
        here = there
    return Walks(np.stack(positions, axis=1), np.stack(angles, axis=1))
