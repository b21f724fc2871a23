"""Search spaces: which values a key may take, and under which values of other keys it is asked for at all.

A point is a mapping from keys to values; keys whose condition does not hold are left out of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from components.errors import UserError

Kind = Literal["choice", "uniform", "loguniform", "randint"]
Point = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One key.

    Attributes:
        kind: ``choice`` of ``values``; ``uniform`` or ``loguniform`` in [low, high]; ``randint``: whole numbers from
            low to high, both included.
        steps: points of a range in a grid; None: a range is no part of a grid.
        when: other key -> the values of it under which this key counts.

    Raises:
        UserError: an empty range or choice, a logarithm of something not positive, fewer than two grid points, or
            grid points of a choice.
    """

    key: str
    kind: Kind
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    steps: int | None = None
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "choice":
            if not self.values:
                raise UserError("the choice is empty", where=self.where, do="list at least one value")
            if self.steps is not None:
                raise UserError("all values of a choice are in the grid", where=self.where, do="leave grid out")
            return
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            told = f"the range from {self.low:g} to {self.high:g} is empty"
            raise UserError(told, where=self.where, do="give two different numbers, the lower one first")
        if self.kind == "loguniform" and self.low <= 0:
            raise UserError(f"{self.low:g} has no logarithm", where=self.where, do="start a loguniform range above 0")
        if self.steps is not None and self.steps < 2:
            told = f"a grid of {self.steps} points has not both ends of the range"
            raise UserError(told, where=self.where, do="ask for at least 2 points, or use a choice")

    @property
    def where(self) -> str:
        """Its place in a file of spaces, for messages."""
        return f"space.{self.key}"

    def may_be(self, value: Any) -> bool:
        """Whether this key can take a value."""
        if self.kind == "choice":
            return value in self.values
        return isinstance(value, int | float) and self.low <= value <= self.high

    def active(self, point: Mapping[str, Any]) -> bool:
        """Whether this key is asked for, given the keys before it."""
        return all(key in point and point[key] in allowed for key, allowed in self.when)

    def grid(self) -> tuple[Any, ...]:
        """Its values in a grid. Raises UserError: a range without a number of points."""
        if self.kind == "choice":
            return self.values
        if self.steps is None:
            told = f"a {self.kind} range is no part of a grid"
            raise UserError(told, where=self.where, do="add grid: N, use a choice, or another sampler")
        if self.kind == "loguniform":
            return tuple(float(f"{v:.6g}") for v in np.geomspace(self.low, self.high, self.steps))  # readable
        values = np.linspace(self.low, self.high, self.steps)
        if self.kind == "randint":
            return tuple(dict.fromkeys(round(v) for v in values))
        return tuple(float(v) for v in values)

    def draw(self, rng: np.random.Generator) -> Any:
        """A random value."""
        if self.kind == "choice":
            return self.values[int(rng.integers(len(self.values)))]
        if self.kind == "randint":
            return int(rng.integers(int(self.low), int(self.high) + 1))
        if self.kind == "loguniform":
            return float(np.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        return float(rng.uniform(self.low, self.high))

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values to check against the recipe: all of a choice, both ends of a range."""
        if self.kind == "choice":
            return self.values
        return (int(self.low), int(self.high)) if self.kind == "randint" else (float(self.low), float(self.high))


@dataclass(frozen=True)
class Space:
    """Dimensions, each after those that its condition names."""

    dimensions: tuple[Dimension, ...]

    @classmethod
    def of(cls, dimensions: Sequence[Dimension]) -> Space:
        """Raises UserError: no dimension, or a condition on a key that is none, never holds or waits for this one."""
        if not dimensions:
            raise UserError("the search space is empty", where="space", do="name at least one key")
        known = {d.key: d for d in dimensions}
        for d in dimensions:
            for key, values in d.when:
                _check_condition(d, key, known.get(key), values)
        ordered: list[Dimension] = []
        waiting = list(dimensions)
        while waiting:
            placed = {d.key for d in ordered}
            ready = [d for d in waiting if all(key in placed for key, _ in d.when)]
            if not ready:
                raise UserError(
                    "its condition waits for itself", where=waiting[0].where, do="let one of the keys go without when"
                )
            ordered += ready
            waiting = [d for d in waiting if d not in ready]
        return cls(tuple(ordered))

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(d.key for d in self.dimensions)

    def grid(self) -> Iterator[Point]:
        """All combinations, the last key running fastest. Raises UserError as :meth:`Dimension.grid`."""
        values = [d.grid() for d in self.dimensions]
        yield from self._points(values, {}, 0)

    def draw(self, rng: np.random.Generator) -> Point:
        """A random point."""
        point: Point = {}
        for d in self.dimensions:
            if d.active(point):
                point[d.key] = d.draw(rng)
        return point

    def _points(self, values: Sequence[tuple[Any, ...]], point: Point, place: int) -> Iterator[Point]:
        if place == len(self.dimensions):
            yield dict(point)
            return
        d = self.dimensions[place]
        if not d.active(point):
            yield from self._points(values, point, place + 1)
            return
        for value in values[place]:
            yield from self._points(values, {**point, d.key: value}, place + 1)


def _check_condition(d: Dimension, key: str, other: Dimension | None, values: Sequence[Any]) -> None:
    if other is None:
        told = f"it counts under values of {key!r}, which is no key of this space"
        raise UserError(told, where=d.where, do=f"search over {key!r} too, or leave when out")
    never = [value for value in values if not other.may_be(value)]
    if never or not values:
        told = (
            f"it counts where {key!r} is {never[0]!r}, which is never tried"
            if never
            else f"no value of {key!r} is named"
        )
        raise UserError(told, where=f"{d.where}.when", do="name values that this space has")
