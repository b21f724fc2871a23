"""Which of eight directions to take, told only the name of a row or a column.

A name is many places. ``direct`` compares the action with the name's embedding (the plug-in choice); ``bridge`` sums
over free states, log Σ_b exp(f(s, a; b) + f(b; name)), so that any way to any of the places counts (LUCL, Lemma 1);
``averaged`` is the control that the paper lacks: it sees the same states, but only their mean under the name, weighted
by softmax_b f(b; name), to which the action is then compared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components.bridging.bridge import Bridge
from components.bridging.estimators import estimate
from components.control.critics import MazeCritics

DIRECTIONS = np.arange(8) * np.pi / 4
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``(actions [N, dim], goals [N]) -> [N]``: higher is better; goals are indices of names."""


def direct(critics: MazeCritics) -> Score:
    names = critics.names()
    return lambda actions, goals: _own(critics.trained.critics.ab.score(actions, names), goals)


def bridge(critics: MazeCritics, states: Bridge) -> Score:
    names, pair = critics.names(), critics.trained.critics
    return lambda actions, goals: _own(estimate("monte-carlo", actions, names, states, pair).scores, goals)


def averaged(critics: MazeCritics, states: Bridge) -> Score:
    scores = critics.trained.critics.bc.score(states.second, critics.names())
    weights = np.exp(scores - scores.max(axis=0))
    points = (weights / weights.sum(axis=0)).T @ states.first
    return lambda actions, goals: _own(critics.trained.critics.ab.score(actions, points), goals)


def chance(seed: int) -> Score:
    rng = np.random.default_rng(seed)
    return lambda actions, goals: rng.random(len(actions))


def _own(scores: np.ndarray, goals: np.ndarray) -> np.ndarray:
    return np.asarray(scores[np.arange(len(goals)), goals])
