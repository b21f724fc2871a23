"""Small bridges whose sums are known."""

import numpy as np

from components.bridging.bridge import Bridge
from components.bridging.critic import Critic, CriticPair


def random_world(*, kinds=("cosine", "cosine"), scale=1.0, queries=7, candidates=9, items=300, dims=(6, 5), seed=0):
    """Queries, candidates, bridge and critics of unequal scales; B has a mean and correlated spaces."""
    rng = np.random.default_rng(seed)
    a, c = rng.normal(size=(queries, dims[0])), rng.normal(size=(candidates, dims[1]))
    first = rng.normal(size=(items, dims[0])) + 1
    second = first @ rng.normal(size=dims) / 3 + rng.normal(size=(items, dims[1])) / 2
    critics = CriticPair(
        Critic(kind=kinds[0], scale=scale, dim=dims[0]), Critic(kind=kinds[1], scale=1.3 * scale, dim=dims[1])
    )
    return a, c, Bridge([f"b{n:05d}" for n in range(items)], first, second), critics


def brute_force(a, c, bridge, critics):
    """Scores and effective sample sizes by all N·K·M exponentials."""
    logits = critics.ab.score(a, bridge.first)[:, None, :] + critics.bc.score(c, bridge.second)[None]
    top = logits.max(axis=2, keepdims=True)
    weights = np.exp(logits - top)
    scores = top[..., 0] + np.log(weights.sum(axis=2)) - np.log(len(bridge))
    return scores, weights.sum(axis=2) ** 2 / (weights**2).sum(axis=2)
