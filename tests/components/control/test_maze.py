"""Geometry: nobody walks through a wall, and lengths of ways are what they are."""

from __future__ import annotations

import numpy as np
import pytest

from components.control.maze import LAYOUTS, Maze
from components.control.walks import Walks, wander
from components.errors import UserError

TINY = """
    #######
    #..#..#
    #..#..#
    #.....#
    #######
"""


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_walk_leads_through_a_wall(name: str) -> None:
    maze = Maze.named(name)
    walks = wander(maze, 200, 80, np.random.default_rng(0))
    start, end = walks.positions[:, :-1], walks.positions[:, 1:]
    corner = np.stack([end[..., 0], start[..., 1]], axis=-1)  # first along x, then along y
    for a, b in ((start, corner), (corner, end)):
        for share in np.linspace(0, 1, 9):
            assert maze.inside(a + share * (b - a)).all()
    stopped = np.linalg.norm(end - start, axis=-1) < 0.99 * maze.step
    assert 0.01 < stopped.mean() < 0.5  # walls are met


def test_a_free_step_has_its_length_and_a_wall_takes_off_its_part() -> None:
    maze = Maze.drawn(TINY)
    here = np.array([[1.5, 2.5], [2.8, 1.5], [1.5, 1.2]])
    there = maze.move(here, np.array([0.0, np.pi / 4, -np.pi / 2]))
    part = maze.step * np.sqrt(0.5)
    np.testing.assert_allclose(there, [[1.5 + maze.step, 2.5], [2.8, 1.5 + part], [1.5, 1.2]])


def test_names_and_labels_skip_what_is_all_wall() -> None:
    maze = Maze.drawn(TINY)
    assert maze.names == ("row 1", "row 2", "row 3", *(f"column {c}" for c in range(1, 6)))
    assert maze.labels(np.array([[4.2, 2.9], [1.0, 1.0]])).tolist() == [[1, 6], [0, 3]]


def test_ways_go_around_walls() -> None:
    maze = Maze.drawn(TINY)
    ways = dict(zip(maze.names, maze.ways(np.array([[1.5, 1.5]]))[0], strict=True))
    assert ways["row 1"] == ways["column 1"] == 0
    assert ways["row 2"] == pytest.approx(2 / 3)  # from the middle of a cell to the first third of the next
    straight = np.hypot(1.5, 1.5) + 1  # down to the foot of the wall, and past it to column 4
    assert straight < ways["column 4"] < straight + 0.6
    for name in LAYOUTS:
        named = Maze.named(name)
        assert np.isfinite(named.ways(named.sample(50, np.random.default_rng(0)))).all()


def test_samples_are_free_and_uniform() -> None:
    maze = Maze.drawn(TINY)
    places = maze.sample(26_000, np.random.default_rng(0))
    counts = np.histogram2d(places[:, 1], places[:, 0], bins=(range(6), range(8)))[0]
    assert counts[~maze.free].sum() == 0
    assert counts[maze.free] == pytest.approx(26_000 / maze.free.sum(), abs=200)


def test_later_states_come_after_a_geometric_time() -> None:
    """On walks that only count their steps."""
    steps = np.broadcast_to(np.arange(501.0)[:, None], (3, 501, 2))
    here, _, later = Walks(steps, np.zeros((3, 500))).pairs(20_000, 0.1, np.random.default_rng(1))
    waited = (later - here)[here[:, 0] < 400, 0]
    assert waited.min() == 1 and waited.mean() == pytest.approx(10, rel=0.05)


def test_bad_mazes_are_refused() -> None:
    with pytest.raises(UserError, match="'moor' is no maze"):
        Maze.named("moor")
    with pytest.raises(UserError, match="a wall all around"):
        Maze.drawn("###\n#..\n###")
    with pytest.raises(UserError, match="step"):
        Maze(Maze.drawn(TINY).free, step=1.0)
