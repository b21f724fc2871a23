"""Spaces: grids, conditions, draws within their ranges, and refusals that name the key."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import UserError
from components.tuning.space import Dimension, Space

ALIGNER = Dimension(key="aligner", kind="choice", values=("sue", "teacher-plan"))
EPSILON = Dimension(
    key="epsilon", kind="loguniform", low=0.01, high=1.0, steps=3, when=(("aligner", ("teacher-plan",)),)
)
DIM = Dimension(key="dim", kind="randint", low=2, high=5, steps=9, when=(("aligner", ("sue",)),))


def test_a_grid_asks_for_conditional_keys_only_where_they_count() -> None:
    points = list(Space.of([EPSILON, DIM, ALIGNER]).grid())
    sue = [p for p in points if p["aligner"] == "sue"]
    plan = [p for p in points if p["aligner"] == "teacher-plan"]
    assert [p["dim"] for p in sue] == [2, 3, 4, 5] and all("epsilon" not in p for p in sue)
    assert [p["epsilon"] for p in plan] == pytest.approx([0.01, 0.1, 1.0]) and all("dim" not in p for p in plan)


def test_draws_stay_in_their_ranges_and_spread_over_decades() -> None:
    space = Space.of([ALIGNER, EPSILON, DIM])
    points = [space.draw(np.random.default_rng(n)) for n in range(400)]
    epsilons = np.array([p["epsilon"] for p in points if "epsilon" in p])
    assert 0.01 <= epsilons.min() and epsilons.max() <= 1.0
    assert 0.4 < np.mean(epsilons < 0.1) < 0.6, "half of the draws lie in either decade"
    assert {p["dim"] for p in points if "dim" in p} == {2, 3, 4, 5}
    assert all(("epsilon" in p) != ("dim" in p) for p in points)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Dimension(key="a.b", kind="choice"), "a.b: the choice is empty"),
        (lambda: Dimension(key="a.b", kind="uniform", low=2, high=1), "a.b: the range from 2 to 1 is empty"),
        (lambda: Dimension(key="a.b", kind="loguniform", low=0, high=1), "a.b: 0 has no logarithm"),
        (lambda: list(Space.of([Dimension(key="a.b", kind="uniform", low=0, high=1)]).grid()), "a.b: a uniform range"),
        (lambda: Space.of([]), "space: the search space is empty"),
        (lambda: Space.of([EPSILON]), "epsilon: it counts under values of 'aligner', which is no key"),
        (lambda: Space.of([ALIGNER, _waits("a", "aligner")]), "a.when: it counts where 'aligner' is 1, which is never"),
        (lambda: Space.of([DIM, _waits("a", "dim"), ALIGNER]), "a.when: it counts where 'dim' is 1, which is never"),
        (lambda: Dimension(key="a.b", kind="choice", values=(1,), steps=3), "a.b: all values of a choice"),
        (lambda: Space.of([_waits("a", "b"), _waits("b", "a")]), "a: its condition waits for itself"),
    ],
)
def test_impossible_spaces_are_refused_by_key(make, told: str) -> None:
    with pytest.raises(UserError, match="^(space[.])?" + told.replace("(", r"\(")):
        make()


def _waits(key: str, other: str) -> Dimension:
    return Dimension(key=key, kind="choice", values=(1,), when=((other, (1,)),))
