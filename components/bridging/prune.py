"""Top-T pruning: of the bridge only the items that matter most to some query are summed, under a proven bound.

What is left out adds, for query n and candidate k, at most e^{d_n} max_m e^{R_mk} and at most e^{t_n} Σ_m e^{R_mk}:
d_n is the log of the left-out Σ e^{L_nm} and t_n the T-th largest L_nm. Finding the items takes
(N + K)·M exponentials but no product over the bridge; queries go in blocks, and a block shares its items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.bridging.bridge import Bridge
from components.bridging.kernel import Estimate, Partial, chunk_items, finish, reduce_bridge
from components.bridging.terms import Terms

BLOCK = 64  # queries that share their kept items
_ROUNDING = 1e-12
_COPIES = 6  # of a chunk's logits while the largest are found


@dataclass(frozen=True)
class Pruned:
    """``estimate`` from the kept items; the whole bridge's scores are higher by ``bound`` [N, K] at most, never lower.
    ``kept``: mean share of the items."""

    estimate: Estimate
    bound: np.ndarray
    kept: float


@dataclass(frozen=True)
class _Overview:
    """Of each query the ``top`` items [N, T], the log of the rest's sum and the T-th logit [N]; of each candidate the
    largest logit and the log of all items' sum [K]."""

    top: np.ndarray
    rest: np.ndarray
    last: np.ndarray
    largest: np.ndarray
    total: np.ndarray


def reduce_pruned(terms: Terms, bridge: Bridge, top: int, memory_budget: int) -> Pruned:
    """Scores from at least the ``top`` items of every query.

    Raises:
        UserError: as :func:`components.bridging.kernel.reduce_bridge`.
    """
    top = min(top, len(bridge))
    seen = _overview(terms, bridge, top, max(1, chunk_items(terms, bridge, memory_budget) // _COPIES))
    found, bounds, kept = list[Estimate](), list[np.ndarray](), 0
    for start in range(0, terms.shape[0], BLOCK):
        rows = slice(start, start + BLOCK)
        items, part = np.unique(seen.top[rows]), terms.take(rows)
        sums = reduce_bridge(part, bridge.take(items), memory_budget)
        outside = np.minimum(seen.rest[rows, None] + seen.largest[None, :], seen.last[rows, None] + seen.total[None, :])
        bounds.append(np.logaddexp(0, outside - sums.log_sum))
        whole = Partial(sums.log_sum, sums.log_square, bridge.log_mass(), len(bridge))
        found.append(finish(part, whole))
        kept += len(items) * len(part.left)
    estimate = Estimate(*(np.concatenate(parts) for parts in zip(*(vars(e).values() for e in found), strict=True)))
    return Pruned(estimate, np.concatenate(bounds), kept / (terms.shape[0] * len(bridge)))


def _overview(terms: Terms, bridge: Bridge, top: int, chunk: int) -> _Overview:
    n, k = terms.shape
    best, items = np.full((n, 0), -np.inf), np.zeros((n, 0), np.int64)
    all_left, total, largest = np.full(n, -np.inf), np.full(k, -np.inf), np.full(k, -np.inf)
    for start in range(0, len(bridge), chunk):
        first, second, bias = terms.chunk(bridge.take(slice(start, start + chunk)))
        left, right = terms.left @ first.T + bias, terms.right @ second.T
        all_left, total = np.logaddexp(all_left, _lse(left)), np.logaddexp(total, _lse(right))
        largest = np.maximum(largest, right.max(axis=1))
        best = np.concatenate([best, left], axis=1)
        items = np.concatenate([items, np.broadcast_to(np.arange(start, start + len(bias)), left.shape)], axis=1)
        if best.shape[1] > top:
            chosen = np.argpartition(-best, top - 1, axis=1)[:, :top]
            best, items = (np.take_along_axis(x, chosen, axis=1) for x in (best, items))
    # 1 − share kept is only known to rounding; a bound must not be too small
    rest = all_left + np.log(np.maximum(1 - np.exp(np.minimum(_lse(best) - all_left, 0)), _ROUNDING))
    if top == len(bridge):
        rest = np.full(n, -np.inf)
    return _Overview(items, rest, best.min(axis=1), largest, total)


def _lse(x: np.ndarray) -> np.ndarray:
    top = x.max(axis=1, keepdims=True)
    return np.asarray((top + np.log(np.exp(x - top).sum(axis=1, keepdims=True)))[:, 0])
