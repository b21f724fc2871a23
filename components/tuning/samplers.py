"""What proposes the next point of a space: every point of a grid, random points, or Optuna's tree of Parzen estimators.

``ask`` gives points until there are no more; ``tell`` says what one was worth. Points of an earlier run of the same
search are told first, so that nothing about a search has to be kept but its points and their values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np

from components.errors import UserError
from components.tuning.space import Dimension, Point, Space

Mode = Literal["max", "min"]
SamplerName = Literal["grid", "random", "optuna"]


class Sampler(Protocol):
    """Proposes points.

    Attributes:
        most: points that it proposes at most, with those of earlier runs.
    """

    most: int

    def ask(self) -> Point | None:
        """The next point; None if there is none left."""

    def tell(self, point: Point, value: float | None) -> None:
        """What a point was worth; None: nothing is known of it (it failed or was stopped)."""


def make_sampler(name: str, space: Space, *, trials: int | None, mode: Mode, seed: int, before: int = 0) -> Sampler:
    """A sampler by name.

    Args:
        trials: points in all; None: the whole grid.
        mode: whether high or low values are good.
        before: points of earlier runs, which will be told.

    Raises:
        UserError: a sampler without end, a range in a grid, or an unknown name.
    """
    if name == "grid":
        return Listed(list(space.grid())[:trials])
    if trials is None:
        raise UserError(f"the sampler {name} has no end of its own", where="trials", do="say how many trials")
    if name == "random":
        return Listed([space.draw(np.random.default_rng([seed, n])) for n in range(trials)])
    if name == "optuna":
        return Parzen(space, trials=trials, mode=mode, seed=seed + before)
    raise UserError(f"{name!r} is no sampler", where="sampler", do="choose grid, random or optuna")


class Listed:
    """Points that are known from the beginning, each once."""

    def __init__(self, points: list[Point]) -> None:
        once: dict[str, Point] = {}
        for point in points:
            once.setdefault(json.dumps(point, sort_keys=True, default=str), point)
        self.most = len(once)
        self._left: Iterator[Point] = iter(once.values())

    def ask(self) -> Point | None:
        return next(self._left, None)

    def tell(self, point: Point, value: float | None) -> None:
        """The order is fixed: nothing to learn."""


class Parzen:
    """Tree-structured Parzen estimators (Bergstra et al. 2011) by Optuna; conditional keys are asked for in turn."""

    def __init__(self, space: Space, *, trials: int, mode: Mode, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._left, self.most = space, trials, trials
        self._study = optuna.create_study(
            direction="maximize" if mode == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=min(10, trials // 2)),
        )
        self._open: list[tuple[Point, Any]] = []

    def ask(self) -> Point | None:
        if self._left <= 0:
            return None
        self._left -= 1
        trial, point = self._study.ask(), Point()
        for d in self._space.dimensions:
            if d.active(point):
                point[d.key] = _suggest(trial, d)
        self._open.append((point, trial))
        return point

    def tell(self, point: Point, value: float | None) -> None:
        import optuna
        from optuna.trial import TrialState

        for n, (asked, trial) in enumerate(self._open):
            if asked == point:
                del self._open[n]
                failed = {"state": TrialState.FAIL} if value is None else {"values": value}
                self._study.tell(trial, **failed)
                return
        self._left -= 1  # of an earlier run
        if value is None:
            return
        known = [d for d in self._space.dimensions if d.key in point]
        self._study.add_trial(
            optuna.trial.create_trial(
                params={d.key: d.values.index(point[d.key]) if d.kind == "choice" else point[d.key] for d in known},
                distributions={d.key: _distribution(d) for d in known},
                value=value,
            )
        )


def _distribution(d: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if d.kind == "choice":
        return CategoricalDistribution(tuple(range(len(d.values))))  # its own values may be lists
    if d.kind == "randint":
        return IntDistribution(int(d.low), int(d.high))
    return FloatDistribution(d.low, d.high, log=d.kind == "loguniform")


def _suggest(trial: Any, d: Dimension) -> Any:
    value = trial._suggest(d.key, _distribution(d))  # what suggest_float and its like call
    return d.values[value] if d.kind == "choice" else value
