"""Closed form for a bridge whose joined embeddings [b in space 1; b in space 2] are jointly N(m, S).

Covers anisotropy and separate models; Lemma 3 of LUCL is the case of one isotropic space and l2 critics of scale 1.
It is the smoothed bridge at h² = 1. Its error is that of mean and covariance: a jackknife over folds of the bridge.
"""

from __future__ import annotations

import numpy as np

from components.bridging.bridge import Bridge, Moments, moments
from components.bridging.critic import CriticPair
from components.bridging.scores import BridgeOptions, BridgeScores
from components.bridging.terms import make_terms
from components.errors import UserError

FOLDS = 8


def gaussian(
    queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
) -> BridgeScores:
    """Scores by the formula with the bridge's mean and covariance; ``ess`` is the number of items they come from.

    Raises:
        UserError: fewer than 2 items a fold.
    """
    if len(bridge) < 2 * FOLDS:
        raise UserError(
            f"{len(bridge)} items of the bridge are too few for a covariance", do=f"give at least {2 * FOLDS}"
        )
    scores = gaussian_scores(queries, candidates, critics, moments(bridge, critics))
    total, square = np.zeros(scores.shape), np.zeros(scores.shape)
    numbers = bridge.folds(FOLDS, options.seed)
    for fold in range(FOLDS):
        rest = bridge.take(np.flatnonzero(numbers != fold))
        difference = gaussian_scores(queries, candidates, critics, moments(rest, critics)) - scores
        total += difference
        square += difference**2
    variance = (FOLDS - 1) / FOLDS * np.maximum(square - total**2 / FOLDS, 0)
    warnings = []
    if "dot" in (critics.ab.kind, critics.bc.kind):
        warnings.append(
            "embeddings of dot critics are seldom Gaussian: their lengths vary; monte-carlo assumes nothing"
        )
    return BridgeScores(
        scores=scores,
        ess=np.full(scores.shape, float(len(bridge))),
        standard_error=np.sqrt(variance),
        method="gaussian",
        details={"bridge": len(bridge), "bandwidth": 1.0},
        warnings=warnings,
    )


def gaussian_scores(queries: np.ndarray, candidates: np.ndarray, critics: CriticPair, of_bridge: Moments) -> np.ndarray:
    """log E exp(f_AB + f_BC) over N(m, S). [N, K]"""
    terms = make_terms(queries, candidates, critics, bandwidth=1.0, bridge_moments=of_bridge)
    first, second, bias = terms.at_mean()
    scores = terms.pair_term() + (terms.row + terms.left @ first + bias)[:, None]
    return np.asarray(scores + terms.column + terms.right @ second)
