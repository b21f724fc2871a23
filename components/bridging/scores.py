"""What every estimator is given and gives back. Letters: ``N`` queries, ``K`` candidates, ``M`` bridge items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from components.bridging.bridge import Bridge
from components.bridging.critic import CriticPair
from components.checks import check_range
from components.errors import UserError

_NAMED = 5  # queries that a warning names


@dataclass(frozen=True, kw_only=True)
class BridgeOptions:
    """Settings of all estimators; each reads its own.

    Attributes:
        memory_budget: bytes for everything but the bridge, the result included.
        bandwidth: h² of the smoothed bridge, 0 (none) to 1 (one Gaussian); None chooses it without A–C pairs.
        top: bridge items kept for each query, the others pruned under a bound; None keeps all.
        ess_floor: effective bridge items of a query's best candidate, below which there is a warning.
        seed: of the pools that the bandwidth is chosen on.
    """

    memory_budget: int = 1 << 30
    bandwidth: float | None = None
    top: int | None = None
    ess_floor: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("memory_budget", self.memory_budget, 1)
        check_range("bandwidth", self.bandwidth, 0, 1, optional=True)
        check_range("top", self.top, 1, optional=True)
        check_range("ess_floor", self.ess_floor, 0)


@dataclass(frozen=True, kw_only=True)
class BridgeScores:
    """Estimated log p(c|a)/p(c) up to a constant of each query and one of each candidate; float64.

    Attributes:
        scores: higher is likelier. [N, K]
        ess: effective number of bridge items (Σw)²/Σw²; what a closed form was fitted on, infinite if on none. [N, K]
        standard_error: of ``scores``, from the choice of bridge items; 0 for functions of the pair alone. [N, K]
        method: the estimator that made them.
        details: JSON-able facts, e.g. the bandwidth and how it was chosen.
        warnings: sentences for the user.
        error_bound: of ``scores`` after pruning: the whole bridge's are at most so much higher. [N, K]
    """

    scores: np.ndarray
    ess: np.ndarray
    standard_error: np.ndarray
    method: str
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    error_bound: np.ndarray | None = None

    def __post_init__(self) -> None:
        if np.isnan(self.scores).any():
            raise UserError(f"{self.method} gave NaN scores", do="check the embeddings and the critics' scales")


class Estimator(Protocol):
    """``(queries [N, D1], candidates [K, D2], bridge, critics, options) -> BridgeScores``; raises UserError."""

    def __call__(
        self, queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
    ) -> BridgeScores: ...


def ess_of_best(scores: np.ndarray, ess: np.ndarray) -> np.ndarray:
    """Effective bridge items of every query's best candidate. [N]"""
    return np.asarray(np.take_along_axis(ess, scores.argmax(axis=1)[:, None], axis=1)[:, 0])


def ess_warnings(best: np.ndarray, floor: float) -> list[str]:
    """One sentence if some queries rest on fewer than ``floor`` bridge items; it names them by their number."""
    low = np.flatnonzero(best < floor)
    if not len(low):
        return []
    names = ", ".join(str(n) for n in low[np.argsort(best[low], kind="stable")][:_NAMED])
    more = f" and {len(low) - _NAMED} more" if len(low) > _NAMED else ""
    return [
        f"{len(low)} of {len(best)} queries rest on fewer than {floor:g} bridge items (queries {names}{more}): "
        "their scores hang on single items; give a larger bridge or smooth it"
    ]
