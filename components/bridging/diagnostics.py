"""What can be said of a bridge without any A–C pair. Letters: ``N`` queries, ``K`` candidates, ``M`` bridge items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.bridging.critic import Critic
from components.bridging.prepared import PreparedBridge
from components.bridging.scores import BridgeOptions

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
CHUNK = 4_000_000  # scores at a time


def perplexity(critic: Critic, outer: np.ndarray, bridge: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    """How many bridge items each of ``outer`` [N, d] may mean: exp of the entropy of p(b | outer row). [N]"""
    step = max(1, CHUNK // max(len(bridge), 1))
    found = []
    for start in range(0, len(outer), step):
        logits = critic.score(outer[start : start + step], bridge) + log_weights
        p = _softmax(logits)
        found.append(np.exp(-(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)))
    return np.concatenate([np.zeros(0), *found])


def halves_kl(prepared: PreparedBridge, a: np.ndarray, c: np.ndarray, options: BridgeOptions) -> float:
    """Mean over queries of KL(p(c|a) of one half of the bridge ‖ of the other), nats: what hangs on the sample."""
    order = np.random.default_rng(options.seed).permutation(len(prepared.bridge))
    middle = len(order) // 2
    if not middle:
        return 0.0
    halves = [prepared.take(np.sort(part)) for part in (order[:middle], order[middle:])]
    p, q = (_softmax(h.estimate("monte-carlo", a, c, options).scores) for h in halves)
    return float((p * (np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(q, 1e-300)))).sum(axis=1).mean())


def uncovered(critic: Critic, outer: np.ndarray, bridge: np.ndarray, usual: np.ndarray) -> float:
    """Share of ``outer`` rows [N, d] whose best bridge item scores lower than that of 95 % of ``usual`` rows [U, d].

    A twentieth if they are rows like any other.
    """
    return float(np.mean(_best(critic, outer, bridge) < np.quantile(_best(critic, usual, bridge), QUANTILES[0])))


def _best(critic: Critic, outer: np.ndarray, bridge: np.ndarray) -> np.ndarray:
    step = max(1, CHUNK // max(len(bridge), 1))
    return np.concatenate([critic.score(outer[s : s + step], bridge).max(axis=1) for s in range(0, len(outer), step)])


def quantiles(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """``{"5 %": …, "50 %": …}``; empty for values that are not finite."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    return {f"{100 * q:.0f} %": float(np.quantile(kept, q)) for q in QUANTILES} if len(kept) else {}


def _softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))
