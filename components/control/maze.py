"""Mazes of unit cells in continuous space, and walks in many of them at once.

Positions are (x, y) with x to the right and y down; cell (row r, column c) is c <= x < c + 1, r <= y < r + 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from components.errors import UserError

# Own drawings of the three kinds in Che & Eysenbach (ICLR 2025): a way that forks, an island, nothing in the way.
LAYOUTS = {
    "fork": """
        ###########
        #...###...#
        #...###...#
        #...###...#
        ##.#####.##
        ##.#####.##
        ##.......##
        #####.#####
        #####.#####
        #.........#
        ###########
    """,
    "island": """
        ###########
        #.........#
        #.........#
        #..#####..#
        #..#####..#
        #..#####..#
        #..#####..#
        #..#####..#
        #.........#
        #.........#
        ###########
    """,
    "blank": """
        ###########
        #.........#
        #.........#
        #.........#
        #.........#
        #.........#
        #.........#
        #.........#
        #.........#
        #.........#
        ###########
    """,
}
WALL, STEP, FINE = "#", 0.4, 3  # step length in cells; grid points a cell for lengths of ways


@dataclass(frozen=True)
class Maze:
    """``free`` [R, C]: whether a cell can be entered; its border cannot. ``step``: length of a move, below 1."""

    free: np.ndarray
    step: float = STEP

    def __post_init__(self) -> None:
        edge = np.concatenate([self.free[0], self.free[-1], self.free[:, 0], self.free[:, -1]])
        if edge.any() or not self.free.any():
            raise UserError("the maze needs a wall all around and a free cell", where="layout", do="draw # around it")
        if not 0 < self.step < 1:
            raise UserError(f"{self.step} is not allowed", where="step", do="walls are one cell thick: give 0 < s < 1")

    @classmethod
    def named(cls, name: str) -> Maze:
        """One of ``LAYOUTS``. Raises UserError for another name."""
        if name not in LAYOUTS:
            raise UserError(f"{name!r} is no maze", where="layout", do=f"use one of {', '.join(LAYOUTS)}")
        return cls.drawn(LAYOUTS[name])

    @classmethod
    def drawn(cls, text: str) -> Maze:
        """From lines of equal length; ``#`` is a wall."""
        rows = [line.strip() for line in text.strip().splitlines()]
        return cls(np.array([[cell != WALL for cell in row] for row in rows]))

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """Whether positions [..., 2] are in free cells."""
        cells = np.floor(positions).astype(np.int64)
        return np.asarray(self.free[cells[..., 1], cells[..., 0]])

    def move(self, positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """One step each in the direction of its angle; along a wall what is left of it. [N, 2], [N] -> [N, 2]"""
        moved = positions.copy()
        for axis, part in enumerate((np.cos(angles), np.sin(angles))):
            there = moved.copy()
            there[:, axis] += self.step * part
            moved = np.where(self.inside(there)[:, None], there, moved)
        return moved

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Free positions, uniform. [N, 2]"""
        rows, columns = np.nonzero(self.free)
        drawn = rng.random((count, 3))
        cell = (drawn[:, 0] * len(rows)).astype(np.int64)
        return np.stack([columns[cell], rows[cell]], axis=1) + drawn[:, 1:]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every row and column with a free cell: ``row 3``, ``column 5``."""
        rows, columns = np.flatnonzero(self.free.any(axis=1)), np.flatnonzero(self.free.any(axis=0))
        return tuple([f"row {r}" for r in rows] + [f"column {c}" for c in columns])

    def labels(self, positions: np.ndarray) -> np.ndarray:
        """Indices into ``names`` of the row and the column of each position. [N, 2] -> [N, 2]"""
        rows, columns = np.flatnonzero(self.free.any(axis=1)), np.flatnonzero(self.free.any(axis=0))
        cells = np.floor(positions).astype(np.int64)
        return np.stack([np.searchsorted(rows, cells[:, 1]), len(rows) + np.searchsorted(columns, cells[:, 0])], axis=1)

    def ways(self, positions: np.ndarray) -> np.ndarray:
        """Length of the shortest way from each position to each name, on a grid of ``FINE`` points a cell. [N, G]"""
        cells = np.floor(positions * FINE).astype(np.int64)
        return np.asarray(self._ways[:, cells[:, 1], cells[:, 0]].T)

    @cached_property
    def _ways(self) -> np.ndarray:
        from scipy.sparse.csgraph import dijkstra

        graph, points = self._graph()
        centres = (np.stack([points[1], points[0]], axis=1) + 0.5) / FINE
        labels = self.labels(centres)
        found = np.full((len(self.names), *(FINE * n for n in self.free.shape)), np.inf)
        for goal in range(len(self.names)):
            at_goal = np.flatnonzero((labels == goal).any(axis=1))
            found[goal][points] = dijkstra(graph, indices=at_goal, min_only=True)
        return found

    def _graph(self) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Neighbours, also across corners where no wall is touched; lengths in cells."""
        from scipy.sparse import coo_array

        fine = np.kron(self.free, np.ones((FINE, FINE), bool))
        number = np.full(fine.shape, -1)
        number[fine] = np.arange(fine.sum())
        rows, columns = np.nonzero(fine)
        edges = []
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            there = fine[rows + down, columns + right] & fine[rows + down, columns] & fine[rows, columns + right]
            start, end = number[rows, columns][there], number[rows + down, columns + right][there]
            edges.append((start, end, np.full(len(start), np.hypot(down, right) / FINE)))
        start, end, length = (np.concatenate(part) for part in zip(*edges, strict=True))
        size = int(fine.sum())
        graph = coo_array((length, (start, end)), shape=(size, size))
        return (graph + graph.T).tocsr(), (rows, columns)
