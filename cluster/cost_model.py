"""What a run will cost at other sizes: each step's time as t(n) = t0 + Σ c·g(n), fitted to runs that were made.

n is the rows of all corpora together. Of several runs of a size the shortest time counts: other work on the machine
and the first import of a library only ever add to it. Between measured sizes ln t is interpolated over ln n. Beyond
them the law counts, fitted to the :data:`LARGEST` largest sizes, since a step may work in another way on few rows
(exact neighbours below 20,000 rows, cells above). Its terms g are one of :data:`LAWS`; t0 and all c are at least 0
and minimise the squared errors relative to t + :data:`NOISE_S`: a short step counts as much as a long one, but less
if it is too short for the clock of a shared machine. The first of the laws is taken whose largest such error is
within :data:`TOLERANCE` of the best one's: a step is constant if its times are alike without the noise too, and
linear if its growth is not clear. No law is quadratic: many rows are searched in √n cells. Two sizes cannot tell laws
apart: then time is taken to grow as n·ln n. Bytes and memory are a fixed part and one that grows as n; of memory
measured at one size nothing is said.

Extrapolation over more than two decades is a guide, not a promise: it says what will dominate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from components.errors import UserError

GROWTH: dict[str, Callable[[float], float]] = {
    "√n": math.sqrt,
    "n": float,
    "n ln n": lambda n: n * math.log(max(n, 2.0)),
    "n^1.5": lambda n: float(n) ** 1.5,
}
LAWS: tuple[tuple[str, ...], ...] = ((), ("n",), ("n ln n",), ("√n",), ("n", "n^1.5"))
UNTOLD = ("n ln n",)
LARGEST = 3
TOLERANCE = 1.1
NOISE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Point:
    """One step of one run: rows of all corpora, seconds of its body times the workers it had, bytes of its output, most
    memory of its process in bytes (None: not known)."""

    rows: int
    seconds: float
    bytes: int = 0
    memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """Bytes: ``fixed + each·rows``."""

    fixed: float
    each: float

    def at(self, rows: float) -> float:
        return self.fixed + self.each * rows


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """The cost of one step.

    Attributes:
        measured: one point a size.
        fixed_s, factors: of the law: seconds, and seconds for each unit of a term.
        worst: largest factor between the law and a time that it was fitted to, both plus the noise.
    """

    name: str
    measured: tuple[Point, ...]
    fixed_s: float
    factors: Mapping[str, float]
    worst: float
    bytes: Line
    memory: Line | None = None

    def seconds(self, rows: float) -> float:
        """Seconds of one worker."""
        sizes = [p.rows for p in self.measured]
        if sizes[0] <= rows <= sizes[-1]:
            times = np.log([p.seconds for p in self.measured])
            return float(np.exp(np.interp(math.log(rows), np.log(sizes), times)))
        return self.fixed_s + sum(factor * GROWTH[term](rows) for term, factor in self.factors.items())

    @property
    def law(self) -> str:
        """``n``, ``n ln n``, ``n + n^1.5``; ``1`` if it does not grow."""
        return " + ".join(term for term, factor in self.factors.items() if factor) or "1"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A whole run at one size. ``seconds`` are of one worker, step by step; ``dominant`` takes most of them.

    ``memory``: bytes of one worker, of the steps of which they are known.
    """

    rows: float
    seconds: Mapping[str, float]
    bytes: float
    memory: Mapping[str, float]

    @property
    def hours(self) -> float:
        return sum(self.seconds.values()) / 3600

    @property
    def dominant(self) -> str:
        return max(self.seconds, key=lambda name: self.seconds[name])


def fit_step(name: str, points: Sequence[Point]) -> StepCost:
    """The law of a step. Raises UserError if there is no point."""
    measured = best_of([p for p in points if p.rows > 0 and p.seconds > 0])
    if not measured:
        raise UserError(f"step {name} has no measured time")
    laws = LAWS if len(measured) > 2 else (UNTOLD,)
    fits = [_fit(name, measured, law) for law in laws]
    best = min(fit.worst for fit in fits)
    return next(fit for fit in fits if math.log(fit.worst) <= math.log(best) + math.log(TOLERANCE))


def best_of(points: Sequence[Point]) -> list[Point]:
    """One point a size, in order of size: the shortest time, the most bytes and memory."""
    sizes = sorted({p.rows for p in points})
    return [_best([p for p in points if p.rows == rows]) for rows in sizes]


def estimate(costs: Mapping[str, StepCost], rows: float) -> Estimate:
    """All steps at a size."""
    return Estimate(
        rows=rows,
        seconds={name: cost.seconds(rows) for name, cost in costs.items()},
        bytes=sum(cost.bytes.at(rows) for cost in costs.values()),
        memory={name: cost.memory.at(rows) for name, cost in costs.items() if cost.memory is not None},
    )


def _best(same: Sequence[Point]) -> Point:
    known = [p.memory for p in same if p.memory is not None]
    return Point(
        rows=same[0].rows,
        seconds=min(p.seconds for p in same),
        bytes=max(p.bytes for p in same),
        memory=max(known, default=None),
    )


def _fit(name: str, points: Sequence[Point], law: Sequence[str]) -> StepCost:
    last = points[-LARGEST:]
    seconds = np.array([p.seconds for p in last])
    grown = np.array([[GROWTH[term](p.rows) for term in law] for p in last], dtype=np.float64).reshape(len(last), -1)
    fixed, factors = _non_negative(grown, seconds, seconds + NOISE_S)
    told = fixed + grown @ factors
    noise = NOISE_S if law else 0.0  # constant is only what is alike: else a short step would be free on many rows
    known = [p for p in points if p.memory is not None]
    return StepCost(
        name=name,
        measured=tuple(points),
        fixed_s=fixed,
        factors=dict(zip(law, factors.tolist(), strict=True)),
        worst=float(np.exp(np.abs(np.log((told + noise) / (seconds + noise))).max())),
        bytes=_line([p.rows for p in points], [p.bytes for p in points]),
        memory=_line([p.rows for p in known], [p.memory or 0 for p in known]) if len(known) > 1 else None,
    )


def _line(rows: Sequence[int], sizes: Sequence[int]) -> Line:
    wanted = np.array(sizes, dtype=np.float64)
    fixed, (each,) = _non_negative(np.array(rows, dtype=np.float64)[:, None], wanted, np.maximum(wanted, 1.0))
    return Line(fixed=fixed, each=float(each))


def _non_negative(grown: np.ndarray, wanted: np.ndarray, unit: np.ndarray) -> tuple[float, np.ndarray]:
    """a ≥ 0 and b ≥ 0 for which a + grown·b is nearest to ``wanted``, each error in its own unit. [P, G], [P], [P]"""
    scale = grown.max(axis=0)
    alone = len(grown) == 1 and grown.shape[1]  # nothing tells what is fixed
    columns = np.hstack([np.zeros((1, 1)) if alone else np.ones((len(grown), 1)), grown / scale])
    (fixed, *factors), _ = nnls(columns / unit[:, None], wanted / unit)
    return float(fixed), np.array(factors) / scale
