"""The kernel-smoothed bridge: every item a Gaussian of covariance h²S, mean and covariance of the whole kept.

A small bridge then covers what lies between its items. h² is chosen without A–C pairs, by the cross-entropy of the
smoothed softmax over candidates, from a small pool, against the *plain* one from a larger, disjoint pool. (That two
pools agree is no criterion: the more bias, the better they do.) With scores as they are the least smoothing must lower
it by two standard errors, and none may be taken that is worse than h² = 0: lengths with heavy tails (dot critics) fail
at once, as kernels as wide as the bridge reach where exp f explodes. Of what is left it must be least for the order of
candidates: without their offsets and at the best temperature. Within a standard error the smaller h² is taken.
h² = 0 is Monte Carlo, h² = 1 the Gaussian form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.bridging.bridge import Bridge, moments
from components.bridging.critic import CriticPair
from components.bridging.kernel import finish, reduce_bridge
from components.bridging.monte_carlo import summed
from components.bridging.scores import BridgeOptions, BridgeScores
from components.bridging.terms import make_terms

GRID = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
POOLS = 5  # one of them is the small pool, the others are the large one
MAX_ROWS = 256  # of queries and of candidates that the choice is made on
TEMPERATURES = tuple(2.0 ** (n / 2) for n in range(-2, 20))
MIN_ITEMS = 20  # of a bridge that may be smoothed by choice
SURE = 2.0  # standard errors by which the least smoothing must gain


@dataclass(frozen=True)
class BandwidthChoice:
    """``bandwidth`` h² and the ``curve`` (h², cross-entropy in nats) it was chosen by."""

    bandwidth: float
    curve: tuple[tuple[float, float], ...]


def smoothed(
    queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
) -> BridgeScores:
    """Scores of the smoothed bridge with ``options.bandwidth``, or with the chosen one. Raises UserError."""
    details = {}
    bandwidth = options.bandwidth
    if bandwidth is None:
        choice = choose_bandwidth(queries, candidates, bridge, critics, options)
        bandwidth, details = choice.bandwidth, {"curve": [list(point) for point in choice.curve]}
    return summed(
        queries,
        candidates,
        bridge,
        critics,
        options,
        method="smoothed",
        bandwidth=bandwidth,
        bridge_moments=moments(bridge, critics) if bandwidth else None,
        details=details,
    )


def choose_bandwidth(
    queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
) -> BandwidthChoice:
    """h² from ``GRID`` by the module's rule, on a seeded sample of the rows; 0 for a bridge of fewer than 20 items."""
    if len(bridge) < MIN_ITEMS:
        return BandwidthChoice(0.0, ())
    rng = np.random.default_rng([options.seed, 9])
    a, c = (rows[np.sort(rng.permutation(len(rows))[:MAX_ROWS])] for rows in (queries, candidates))
    in_small = bridge.folds(POOLS, options.seed) == 0
    small, large = bridge.take(np.flatnonzero(in_small)), bridge.take(np.flatnonzero(~in_small))
    of_small = moments(small, critics)

    def scores(pool: Bridge, bandwidth: float) -> np.ndarray:
        terms = make_terms(a, c, critics, bandwidth=bandwidth, bridge_moments=of_small)
        return finish(terms, reduce_bridge(terms, pool, options.memory_budget)).scores

    plain, found = scores(large, 0.0), [scores(small, h) for h in GRID]
    as_is = np.stack([-(np.exp(_log_softmax(plain)) * _log_softmax(s)).sum(axis=1) for s in found])
    worse = as_is - as_is[0]
    means, errors = worse.mean(axis=1), _error(worse)
    allowed = int((np.cumsum(means > errors) == 0).sum()) if means[1] < -SURE * errors[1] else 1
    losses = np.stack([_loss(_centred(s), np.exp(_log_softmax(_centred(plain)))) for s in found])  # [grid, N]
    curve = losses.mean(axis=1)
    best = next((n for n in range(allowed - 1) if curve[n] <= curve[n + 1]), allowed - 1)
    worse = losses[: best + 1] - losses[best]
    chosen = int(np.flatnonzero(worse.mean(axis=1) <= _error(worse))[0])
    return BandwidthChoice(GRID[chosen], tuple(zip(GRID[:allowed], curve[:allowed].tolist(), strict=True)))


def _error(differences: np.ndarray) -> np.ndarray:
    """Standard errors of the means over queries. [grid, N] -> [grid]"""
    return np.asarray(differences.std(axis=1) / np.sqrt(differences.shape[1]))


def _centred(scores: np.ndarray) -> np.ndarray:
    """Without offsets of candidates, which the critics leave open. [N, K]"""
    return np.asarray(scores - scores.mean(axis=0))


def _loss(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cross-entropy [N] of ``target`` under the softmax of ``scores``, at the temperature that is best for all rows.

    Without it the choice would go by how overconfident few items are, not by how they order candidates.
    """
    losses = [-(target * _log_softmax(scores / t)).sum(axis=1) for t in TEMPERATURES]
    return min(losses, key=lambda loss: float(loss.mean()))


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    scores = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
