"""Which estimator to use, from the critics and the bridge alone.

One space, cosine or l2 critics, and a direct comparison that orders candidates much as the bridge does: direct, which
has no sampling error. Dot critics: Monte Carlo, since neither the Law nor a Gaussian covers them. Else: smoothed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.bridging.bridge import Bridge
from components.bridging.critic import CriticPair
from components.bridging.direct import direct
from components.bridging.monte_carlo import monte_carlo
from components.bridging.scores import BridgeOptions, BridgeScores
from components.bridging.smoothed import MAX_ROWS, smoothed

AGREEMENT = 0.5  # mean Spearman correlation within queries from which direct comparison is trusted


def auto(
    queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
) -> BridgeScores:
    """Scores of the chosen estimator; ``method`` and ``details`` say which and why. Raises UserError as that one."""
    if "dot" in (critics.ab.kind, critics.bc.kind):
        return _because(monte_carlo(queries, candidates, bridge, critics, options), "dot critics")
    if not critics.same_space or critics.ab.kind != critics.bc.kind:
        return _because(smoothed(queries, candidates, bridge, critics, options), "the critics do not share a space")
    rng = np.random.default_rng([options.seed, 10])
    a, c = (rows[np.sort(rng.permutation(len(rows))[:MAX_ROWS])] for rows in (queries, candidates))
    agreement = rank_agreement(
        direct(a, c, bridge, critics, options).scores, smoothed(a, c, bridge, critics, options).scores
    )
    why = f"direct comparison and the bridge order candidates with a rank correlation of {agreement:.2f}"
    chosen = direct if agreement >= AGREEMENT else smoothed
    return _because(chosen(queries, candidates, bridge, critics, options), why, agreement)


def rank_agreement(left: np.ndarray, right: np.ndarray) -> float:
    """Mean over queries of Spearman's correlation of two score matrices [N, K]; 0 where one of them is constant."""
    from scipy.stats import rankdata

    x, y = (rankdata(s, axis=1) - (s.shape[1] + 1) / 2 for s in (left, right))
    size = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return float(np.mean(np.divide((x * y).sum(1), size, out=np.zeros(len(x)), where=size > 0)))


def _because(scores: BridgeScores, why: str, agreement: float | None = None) -> BridgeScores:
    facts = {"why": why, "chosen": scores.method} | ({} if agreement is None else {"direct_agreement": agreement})
    return replace(scores, details={**scores.details, **facts})
