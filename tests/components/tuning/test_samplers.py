"""Samplers: no point twice, equal seeds equal points, and Optuna goes where values are good."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import UserError
from components.tuning.samplers import Sampler, make_sampler
from components.tuning.space import Dimension, Point, Space

X = Dimension(key="x", kind="uniform", low=-1.0, high=1.0)
KIND = Dimension(key="kind", kind="choice", values=([1, 2], None, "far"))
SPACE = Space.of([X, KIND])


def value(point: Point) -> float:
    return -((point.get("x", 0.6) - 0.6) ** 2) - (2.0 if point["kind"] == "far" else 0.0)


def run(sampler: Sampler) -> list[Point]:
    points = []
    while (point := sampler.ask()) is not None:
        points.append(point)
        sampler.tell(point, value(point))
    return points


def test_random_points_depend_on_seed_and_place_alone() -> None:
    points = run(make_sampler("random", SPACE, trials=9, mode="max", seed=1))
    assert points[:4] == run(make_sampler("random", SPACE, trials=4, mode="max", seed=1))
    assert points != run(make_sampler("random", SPACE, trials=9, mode="max", seed=2))


def test_repeated_points_are_asked_for_once() -> None:
    few = Space.of([KIND])
    sampler = make_sampler("random", few, trials=50, mode="max", seed=0)
    assert sampler.most == len(run(sampler)) == 3
    assert run(make_sampler("grid", few, trials=None, mode="max", seed=0)) == [{"kind": v} for v in KIND.values]


@pytest.mark.parametrize("mode", ["max", "min"])
def test_optuna_goes_where_values_are_good(mode: str) -> None:
    sampler, sign = make_sampler("optuna", SPACE, trials=40, mode=mode, seed=0), 1 if mode == "max" else -1
    points = []
    while (point := sampler.ask()) is not None:
        points.append(point)
        sampler.tell(point, sign * value(point))
    late = points[-10:]
    assert sum(p["kind"] != "far" for p in late) >= 8
    assert abs(np.median([p["x"] for p in late]) - 0.6) < 0.25


def test_points_of_an_earlier_run_count_and_teach() -> None:
    earlier = run(make_sampler("random", SPACE, trials=30, mode="max", seed=3))
    sampler = make_sampler("optuna", SPACE, trials=36, mode="max", seed=0, before=30)
    for point in earlier:
        sampler.tell(point, value(point))
    points = run(sampler)
    assert len(points) == 6
    assert np.median([abs(p["x"] - 0.6) for p in points]) < np.median([abs(p["x"] - 0.6) for p in earlier])


def test_a_failed_point_teaches_nothing_and_a_sampler_without_end_is_refused() -> None:
    sampler = make_sampler("optuna", SPACE, trials=2, mode="max", seed=0)
    first = sampler.ask()
    assert first is not None
    sampler.tell(first, None)
    assert sampler.ask() is not None and sampler.ask() is None
    with pytest.raises(UserError, match="how many trials"):
        make_sampler("random", SPACE, trials=None, mode="max", seed=0)
    with pytest.raises(UserError, match="grid, random or optuna"):
        make_sampler("hyperopt", SPACE, trials=3, mode="max", seed=0)
