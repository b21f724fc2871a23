"""Policies and episodes: oracles arrive, chance does not, and the bridge's choice is Lemma 1's."""

from __future__ import annotations

import numpy as np
import pytest

from components.control.critics import ControlConfig, MazeCritics
from components.control.maze import Maze
from components.control.navigation import EpisodeConfig, run_episodes
from components.control.policies import averaged, bridge, chance, direct
from components.control.study import run_seed, summarise
from components.errors import UserError

SMALL = ControlConfig(walks=600, walk_steps=40, pairs=20_000, width=48, epochs=4)
EPISODES = EpisodeConfig(episodes=100)


@pytest.fixture(scope="module")
def critics() -> MazeCritics:
    return MazeCritics.learn(Maze.named("fork"), SMALL, seed=0)


class _Ways:
    """An oracle in the place of critics: an action is scored by the way that is left after it."""

    def __init__(self, maze: Maze) -> None:
        self.maze = maze

    def actions(self, positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
        return self.maze.move(positions, angles)

    def score(self, there: np.ndarray, goals: np.ndarray) -> np.ndarray:
        tie = np.random.default_rng(0).random(len(goals))  # the grid's lengths are equal for near positions
        return np.asarray(-self.maze.ways(there)[np.arange(len(goals)), goals] + 1e-3 * tie)


def test_an_oracle_arrives_by_nearly_the_shortest_way() -> None:
    oracle = _Ways(Maze.named("fork"))
    found = run_episodes(oracle, oracle.score, EpisodeConfig(episodes=100, noise=0.0), seed=0)  # type: ignore[arg-type]
    assert found.success > 0.97 and found.spl > 0.75
    lost = run_episodes(oracle, chance(0), EPISODES, seed=0)  # type: ignore[arg-type]
    assert lost.success < 0.6 and lost.spl < 0.25


def test_the_bridge_is_a_log_mean_exp_over_states(critics: MazeCritics) -> None:
    states, rng = critics.bridge(30, seed=0), np.random.default_rng(1)
    places = critics.maze.sample(12, rng)
    actions, goals = critics.actions(places, rng.uniform(-3, 3, 12)), rng.integers(len(critics.maze.names), size=12)
    pair = critics.trained.critics
    terms = pair.ab.score(actions, states.first) + pair.bc.score(states.second, critics.names()).T[goals]
    np.testing.assert_allclose(bridge(critics, states)(actions, goals), np.log(np.exp(terms).mean(axis=1)), rtol=1e-6)


def test_with_one_state_everything_is_near_that_state(critics: MazeCritics) -> None:
    state, rng = critics.bridge(1, seed=0), np.random.default_rng(1)
    actions, goals = critics.actions(critics.maze.sample(9, rng), np.zeros(9)), np.zeros(9, np.int64)
    to_state = critics.trained.critics.ab.score(actions, state.first)[:, 0]
    np.testing.assert_allclose(averaged(critics, state)(actions, goals), to_state)
    np.testing.assert_allclose(np.ptp(bridge(critics, state)(actions, goals) - to_state), 0, atol=1e-6)


def test_a_smaller_bridge_is_the_beginning_of_a_larger_one(critics: MazeCritics) -> None:
    np.testing.assert_allclose(critics.bridge(50, seed=3).first[:20], critics.bridge(20, seed=3).first, rtol=1e-5)


def test_summing_over_states_beats_the_plug_in_choice_where_the_way_forks(critics: MazeCritics) -> None:
    """All three learned the same and see the same episodes."""
    plug_in = run_episodes(critics, direct(critics), EPISODES, seed=1)
    summed = run_episodes(critics, bridge(critics, critics.bridge(300, seed=0)), EPISODES, seed=1)
    lost = run_episodes(critics, chance(1), EPISODES, seed=1)
    assert summed.success > plug_in.success + 0.05
    assert summed.success > lost.success + 0.2 and summed.spl > 3 * lost.spl


def test_runs_repeat_and_are_summarised_over_seeds() -> None:
    tiny = ControlConfig(walks=50, walk_steps=20, pairs=500, width=8, epochs=1)
    few = EpisodeConfig(episodes=20, steps=10)
    runs = [run_seed("blank", seed, (5, 10), tiny, few) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0]["lse"] == runs[0]["lse/10"]
    found = summarise(runs, (5, 10))
    gain = found["lse"]["success"]["mean"] - found["direct"]["success"]["mean"]
    assert found["gain"]["direct"]["success"]["mean"] == pytest.approx(gain)
    assert found["curve"]["10"] == found["lse"] and set(found["curve"]) == {"5", "10"}


@pytest.mark.parametrize("wrong", [{"walks": 0}, {"pairs": 1}, {"leave": 0.0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        ControlConfig(**wrong)  # type: ignore[arg-type]
