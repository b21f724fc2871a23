"""Stacking: weights of an ensemble learned from out-of-fold scores (Wolpert 1992; super learner, van der Laan 2007).

Every held-out partner should win a softmax over its fold's gallery, in both directions. Its likelihood is concave in
the non-negative weights w of the members' scores; a ridge of size (SHRINKAGE / P)² pulls w towards the best multiple of
a fixed sum, so that few pairs give nearly that sum and many pairs may leave it. Letters: ``M`` members, ``P`` pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.alignment.ensemble import scaled, sum_blocks
from components.alignment.nested import Block

# In pairs. At 50 pairs weights that fit them lose more on new rows than any weights gain; at 500 they gain. Below 50
# the pull stays as it is there: harder, it would keep members that the pairs show to be useless.
SHRINKAGE, LEAST_PAIRS = 20.0, 50
LEAST_SCALE = 0.3
MAX_ITERATIONS = 60


@dataclass(frozen=True)
class Stacked:
    """Learned weights.

    Attributes:
        weights: of the members' scores over their spread. [M]
        blocks: out-of-fold scores of the ensemble, each fold with weights that were learned on the other folds.
    """

    weights: np.ndarray
    blocks: tuple[Block, ...]


def stack(members: Sequence[Sequence[Block]], prior: np.ndarray) -> Stacked:
    """Learn the weights of ``members``, blocks of the same folds and distractors.

    Args:
        members: out-of-fold blocks of each.
        prior: the fixed sum, e.g. 1 for trusted members and 0 for others; only its direction counts. [M]
    """
    folds = [_fold(fold) for fold in zip(*members, strict=True)]
    inner = [_weights(folds[:f] + folds[f + 1 :], prior) for f in range(len(folds))]
    return Stacked(_weights(folds, prior), sum_blocks(members, [list(w) for w in inner]))


_Queries = tuple[np.ndarray, np.ndarray]  # scores of queries [M, T, G], left ones and right ones; partner t is column t


def _fold(blocks: Sequence[Block]) -> _Queries:
    t = blocks[0].num_test
    return np.stack([scaled(b)[:t] for b in blocks]), np.stack([scaled(b)[:, :t].T for b in blocks])


def _weights(folds: Sequence[_Queries], prior: np.ndarray) -> np.ndarray:
    queries = [q.astype(np.float32, copy=False) for fold in folds for q in fold]
    num_pairs = sum(q.shape[1] for q in queries) / 2
    along = [np.tensordot(prior.astype(np.float32), q, 1)[None] for q in queries]
    scale = _maximise(along, np.zeros(1), 0.0)[0]
    # Weights of the size that the fixed sum wants are pulled by the same share, whatever the scale of a world's scores.
    return _maximise(queries, scale * prior, (SHRINKAGE / max(num_pairs, LEAST_PAIRS) / max(scale, LEAST_SCALE)) ** 2)


def _maximise(queries: Sequence[np.ndarray], centre: np.ndarray, ridge: float) -> np.ndarray:
    """Non-negative weights of the best penalised likelihood."""
    from scipy.optimize import minimize

    start = np.maximum(centre, 0.1)
    bounds = [(0.0, 100.0)] * len(centre)
    options = {"maxiter": MAX_ITERATIONS}
    found = minimize(_loss, start, (queries, centre, ridge), "L-BFGS-B", jac=True, bounds=bounds, options=options)
    return np.asarray(found.x, dtype=np.float64)


def _loss(
    weights: np.ndarray, queries: Sequence[np.ndarray], centre: np.ndarray, ridge: float
) -> tuple[float, np.ndarray]:
    """Mean negative log-likelihood plus ridge, and its gradient."""
    total, slope, count = 0.0, np.zeros(len(weights)), 0
    for q in queries:
        logits = np.tensordot(weights.astype(np.float32), q, 1)
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        mass = chances.sum(axis=1, keepdims=True)
        t = np.arange(q.shape[1])
        total += float((np.log(mass[:, 0]) - logits[t, t]).sum())
        slope += np.einsum("mtg,tg->m", q, chances / mass) - q[:, t, t].sum(axis=1)
        count += len(t)
    away = weights - centre
    return total / count + ridge * float(away @ away), slope / count + 2 * ridge * away
