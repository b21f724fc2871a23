"""Estimators by name, behind one signature."""

from __future__ import annotations

import numpy as np

from components.bridging.auto import auto
from components.bridging.bridge import Bridge
from components.bridging.critic import CriticPair
from components.bridging.direct import direct
from components.bridging.gaussian import gaussian
from components.bridging.kernel import CostEstimate
from components.bridging.kernel import estimate_cost as _estimate_cost
from components.bridging.monte_carlo import monte_carlo
from components.bridging.scores import BridgeOptions, BridgeScores, Estimator
from components.bridging.smoothed import smoothed
from components.bridging.sphere import sphere
from components.bridging.terms import make_terms
from components.errors import UserError

ESTIMATORS: dict[str, Estimator] = {
    "direct": direct,
    "monte-carlo": monte_carlo,
    "sphere": sphere,
    "gaussian": gaussian,
    "smoothed": smoothed,
    "auto": auto,
}


def estimate(  # noqa: PLR0917  the pairs of arguments go together
    name: str,
    queries: np.ndarray,
    candidates: np.ndarray,
    bridge: Bridge,
    critics: CriticPair,
    options: BridgeOptions | None = None,
) -> BridgeScores:
    """Score ``queries`` [N, D1] of A against ``candidates`` [K, D2] of C through ``bridge``.

    Raises:
        UserError: no such estimator, rows or a bridge that do not fit the critics or are not finite, a memory budget
            below what the result alone needs, or critics that the estimator does not cover.
    """
    if name not in ESTIMATORS:
        raise UserError(f"there is no estimator {name!r}", where="estimator", do=f"use one of {', '.join(ESTIMATORS)}")
    check_bridge(bridge, critics)
    return ESTIMATORS[name](queries, candidates, bridge, critics, options or BridgeOptions())


def check_bridge(bridge: Bridge, critics: CriticPair) -> None:
    """Raise UserError unless the bridge's rows have the critics' dimensions."""
    for side, rows, critic in (("first", bridge.first, critics.ab), ("second", bridge.second, critics.bc)):
        if rows.shape[1] != critic.dim:
            raise UserError(
                f"the bridge's {side} rows have {rows.shape[1]} dimensions, their critic has {critic.dim}",
                do="embed the bridge by the models that the critics were trained with",
            )


def estimate_cost(
    queries: np.ndarray,
    candidates: np.ndarray,
    bridge: Bridge,
    critics: CriticPair,
    options: BridgeOptions | None = None,
) -> CostEstimate:
    """What ``monte-carlo`` will take, extrapolated from a chunk (``smoothed`` with a given bandwidth: the same)."""
    check_bridge(bridge, critics)
    return _estimate_cost(make_terms(queries, candidates, critics), bridge, (options or BridgeOptions()).memory_budget)
