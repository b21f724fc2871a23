"""Direct comparison of a and c, which never met in training (LUCL, the "Law": Lemmas 2 and 3).

It ranks as the bridge would if both critics share the encoder of B and B is spread evenly: uniform on the sphere
(cosine) or an isotropic Gaussian (l2). In general the interaction of a and c is s₁s₂ aᵀ S₁₂ c with S₁₂ the covariance
of the two embeddings of B; direct comparison is the case S₁₂ ∝ I, and with two unrelated models S₁₂ is arbitrary.
"""

from __future__ import annotations

import numpy as np

from components.bridging.bridge import Bridge, Moments, moments
from components.bridging.critic import Critic, CriticPair
from components.bridging.scores import BridgeOptions, BridgeScores
from components.errors import UserError

MIN_ALIGNMENT = 0.2  # cosine of S₁₂ with I below which B's embeddings do not look like one space


def direct(
    queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
) -> BridgeScores:
    """The critics' similarity of query and candidate, with their scales as those of two kernels in a row: s₁s₂/(s₁+s₂).

    ``details`` hold the assumptions as measured on the bridge; warnings say which of them fail.

    Raises:
        UserError: critics of different kinds or dimensions: there is nothing to compare.
    """
    ab, bc = critics.ab, critics.bc
    if ab.kind != bc.kind or ab.dim != bc.dim:
        raise UserError(
            f"a {ab.kind} critic of {ab.dim} and a {bc.kind} critic of {bc.dim} dimensions give no direct comparison",
            do="use monte-carlo or smoothed",
        )
    scale = ab.scale * bc.scale / (ab.scale + bc.scale)
    scores = Critic(kind=ab.kind, scale=scale, dim=ab.dim).score(queries, candidates)
    return without_sampling("direct", scores, bridge, critics)


def without_sampling(method: str, scores: np.ndarray, bridge: Bridge, critics: CriticPair) -> BridgeScores:
    """Scores [N, K] that sum over no bridge item: no sampling error; whether their assumptions hold is told."""
    facts = assumptions(moments(bridge, critics), critics)
    return BridgeScores(
        scores=scores,
        ess=np.full(scores.shape, np.inf),
        standard_error=np.zeros(scores.shape),
        method=method,
        details={"bridge": len(bridge), **facts},
        warnings=broken_assumptions(facts, critics),
    )


def assumptions(of_bridge: Moments, critics: CriticPair) -> dict[str, float]:
    """How far the bridge is from what direct comparison assumes.

    ``alignment``: cosine of S₁₂ with I, 1 as assumed, about 0 for unrelated models (0 without a common dimension).
    ``effective_dims``: participation ratio of S₁₁ over D, 1 for an isotropic bridge.
    ``mean_length``: squared length of the mean over the mean squared length, 0 for a centred bridge.
    """
    d1, covariance, mean = critics.ab.dim, of_bridge.covariance, of_bridge.mean[: critics.ab.dim]
    inner, cross = covariance[:d1, :d1], covariance[:d1, d1:]
    size, trace = float(np.linalg.norm(cross)), float(np.trace(inner))
    square = cross.shape[0] == cross.shape[1] and size > 0
    return {
        "alignment": float(np.trace(cross)) / (size * d1**0.5) if square else 0.0,
        "effective_dims": trace**2 / (d1 * max(float((inner**2).sum()), 1e-300)),
        "mean_length": float(mean @ mean) / max(float(mean @ mean) + trace, 1e-300),
    }


def broken_assumptions(facts: dict[str, float], critics: CriticPair) -> list[str]:
    """A sentence for each assumption that does not hold."""
    found = []
    if not critics.same_space:
        found.append("the critics do not share the space of B: direct comparison is at chance unless the spaces agree")
    elif facts["alignment"] < MIN_ALIGNMENT:
        found.append(
            f"the two embeddings of B are hardly aligned ({facts['alignment']:.2f} of 1), though the critics are said "
            "to share the space of B"
        )
    if critics.ab.kind == "dot":
        found.append("dot critics are not covered by the Law: direct comparison ignores how long B's embeddings are")
    return found
