"""The kernel-smoothed bridge: every item a Gaussian of covariance h²S, mean and covariance of the whole kept.

A small bridge then covers what lies between its items. h² is chosen without A–C pairs: it minimises the cross-entropy
of the smoothed softmax over candidates, from a small pool, against the *plain* one from a larger, disjoint pool. (That
two pools agree is no criterion: the more bias, the better they do.) Of values within a standard error of the first
minimum the smallest is taken: far on, flat scores may look good again. h² = 0 is Monte Carlo, h² = 1 the Gaussian form.
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
MIN_ITEMS = 20  # of a bridge that may be smoothed by choice


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

    def softmax(pool: Bridge, bandwidth: float) -> np.ndarray:
        terms = make_terms(a, c, critics, bandwidth=bandwidth, bridge_moments=of_small)
        scores = finish(terms, reduce_bridge(terms, pool, options.memory_budget)).scores
        scores -= scores.mean(axis=0)  # offsets of candidates are no business of the bridge's
        top = scores.max(axis=1, keepdims=True)
        return np.asarray(scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True)))

    target = np.exp(softmax(large, 0.0))
    losses = np.stack([-(target * softmax(small, h)).sum(axis=1) for h in GRID])  # [grid, N]
    curve = losses.mean(axis=1)
    best = next((n for n in range(len(GRID) - 1) if curve[n] <= curve[n + 1]), len(GRID) - 1)
    worse = losses[: best + 1] - losses[best]
    error = worse.std(axis=1) / np.sqrt(worse.shape[1])
    chosen = int(np.flatnonzero(worse.mean(axis=1) <= error)[0])
    return BandwidthChoice(GRID[chosen], tuple(zip(GRID, curve.tolist(), strict=True)))
