"""What a run will cost at other sizes: each step's time as t(n) = t0 + c·n^a·(ln n)^b, fitted to runs that were made.

n is the rows of all corpora together. (a, b) is one of :data:`LAWS`, t0 and c are at least 0 and minimise the sum of
squared *relative* errors (a step of 0.1 s counts as much as one of an hour). Of the laws whose largest error is within
:data:`TOLERANCE` of the best one's, the slowest-growing is taken. Two sizes cannot tell laws apart: then time is taken
to grow as n·ln n. Bytes are taken to grow as n. Extrapolation over more than two decades is a guide, not a promise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from components.errors import UserError

LAWS = ((0.0, 0), (0.5, 0), (1.0, 0), (1.0, 1), (1.5, 0), (2.0, 0))
UNTOLD = (1.0, 1)
TOLERANCE = 1.1


@dataclass(frozen=True, kw_only=True)
class Point:
    """One step of one run: rows of all corpora, seconds of its body times the workers it had, bytes of its output."""

    rows: int
    seconds: float
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """The fitted law of one step. ``worst``: largest factor between it and a measured time."""

    name: str
    power: float
    logs: int
    fixed_s: float
    factor: float
    bytes_per_row: float
    worst: float

    def seconds(self, rows: float) -> float:
        """Seconds of one worker."""
        return self.fixed_s + self.factor * _growth(rows, self.power, self.logs)

    def bytes(self, rows: float) -> float:
        return self.bytes_per_row * rows

    @property
    def law(self) -> str:
        """``n^1.5``, ``n ln n``, ``1``."""
        power = {0.0: "1", 1.0: "n"}.get(self.power, f"n^{self.power:g}")
        return power + (" ln n" if self.logs else "")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A whole run at one size. ``seconds`` are of one worker, step by step; ``dominant`` takes most of them."""

    rows: float
    seconds: Mapping[str, float]
    bytes: float

    @property
    def hours(self) -> float:
        return sum(self.seconds.values()) / 3600

    @property
    def dominant(self) -> str:
        return max(self.seconds, key=lambda name: self.seconds[name])


def fit_step(name: str, points: Sequence[Point]) -> StepCost:
    """The law of a step. Raises UserError if there is no point."""
    measured = [p for p in points if p.rows > 0 and p.seconds > 0]
    if not measured:
        raise UserError(f"step {name} has no measured time")
    laws = LAWS if len({p.rows for p in measured}) > 2 else (UNTOLD,)
    fits = [_fit(name, measured, power, logs) for power, logs in laws]
    best = min(fit.worst for fit in fits)
    return next(fit for fit in fits if math.log(fit.worst) <= math.log(best) + math.log(TOLERANCE))


def estimate(costs: Mapping[str, StepCost], rows: float) -> Estimate:
    """All steps at a size."""
    seconds = {name: cost.seconds(rows) for name, cost in costs.items()}
    return Estimate(rows=rows, seconds=seconds, bytes=sum(cost.bytes(rows) for cost in costs.values()))


def _fit(name: str, points: Sequence[Point], power: float, logs: int) -> StepCost:
    rows = np.array([p.rows for p in points], dtype=np.float64)
    seconds = np.array([p.seconds for p in points])
    grown = np.array([_growth(n, power, logs) for n in rows])
    alone = len(set(rows.tolist())) == 1  # nothing tells what is fixed
    columns = [np.zeros_like(grown) if alone else 1 / seconds, grown / seconds / grown.max()]
    (fixed, factor), _ = nnls(np.stack(columns, axis=1), np.ones(len(points)))
    told = fixed + factor / grown.max() * grown
    return StepCost(
        name=name,
        power=power,
        logs=logs,
        fixed_s=float(fixed),
        factor=float(factor / grown.max()),
        bytes_per_row=float(np.mean([p.bytes / p.rows for p in points])),
        worst=float(np.exp(np.abs(np.log(told / seconds)).max())),
    )


def _growth(rows: float, power: float, logs: int) -> float:
    return float(rows**power) * math.log(max(rows, 2.0)) ** logs
