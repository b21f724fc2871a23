"""Monte Carlo over the bridge: log (1/M) Σ_m exp(f_AB(a, b_m) + f_BC(b_m, c)) (LUCL, Lemma 1; any critics).

It estimates log p(c|a)/p(c) if A and C are independent given B and the critics are optimal, up to the constants that
InfoNCE leaves open. The error falls as 1/√M; with few items near both a and c it is nearest-bridge matching.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.bridging.bridge import Bridge, Moments
from components.bridging.critic import CriticPair
from components.bridging.kernel import finish, reduce_bridge
from components.bridging.prune import reduce_pruned
from components.bridging.scores import BridgeOptions, BridgeScores, ess_of_best, ess_warnings
from components.bridging.terms import make_terms


def monte_carlo(
    queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
) -> BridgeScores:
    """Scores from the bridge as it is. Raises UserError as :class:`components.bridging.scores.Estimator` says."""
    return summed(queries, candidates, bridge, critics, options, method="monte-carlo")


def summed(
    queries: np.ndarray,
    candidates: np.ndarray,
    bridge: Bridge,
    critics: CriticPair,
    options: BridgeOptions,
    *,
    method: str,
    bandwidth: float = 0.0,
    bridge_moments: Moments | None = None,
    details: dict[str, Any] | None = None,
) -> BridgeScores:
    """The sum over a plain (``bandwidth`` 0) or smoothed bridge as a result, pruned if ``options.top`` says so."""
    terms = make_terms(queries, candidates, critics, bandwidth=bandwidth, bridge_moments=bridge_moments)
    bound, facts = None, {"bridge": len(bridge), "bandwidth": bandwidth, **(details or {})}
    if options.top is not None and options.top < len(bridge):
        pruned = reduce_pruned(terms, bridge, options.top, options.memory_budget)
        found, bound = pruned.estimate, pruned.bound
        facts |= {"top": options.top, "kept": pruned.kept, "largest_error_bound": float(bound.max())}
    else:
        found = finish(terms, reduce_bridge(terms, bridge, options.memory_budget))
    best = ess_of_best(found.scores, found.ess)
    facts["ess_quantiles"] = [float(q) for q in np.quantile(best, (0.05, 0.5, 0.95))]
    return BridgeScores(
        scores=found.scores,
        ess=found.ess,
        standard_error=found.standard_error,
        method=method,
        details=facts,
        warnings=ess_warnings(best, options.ess_floor),
        error_bound=bound,
    )
