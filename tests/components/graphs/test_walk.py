"""The random walk: stochastic rows, one spectrum, and a sampler that follows both distributions."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from components.graphs.walk import WalkSampler, degrees, stationary, symmetric_operator, transition


def _graph() -> sp.csr_matrix:
    w = np.random.default_rng(0).random((12, 12)) * (np.random.default_rng(1).random((12, 12)) < 0.5)
    w = np.triu(w, 1)
    return sp.csr_matrix(w + w.T)


def test_walk_and_symmetric_operator_have_one_spectrum() -> None:
    w = _graph()
    p = transition(w).toarray()
    np.testing.assert_allclose(p.sum(1), 1.0)
    np.testing.assert_allclose(stationary(w) @ p, stationary(w))
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(p).real), np.linalg.eigvalsh(symmetric_operator(w).toarray()))


def test_drawn_edges_follow_degrees_and_transition_probabilities() -> None:
    w, rng, count = _graph(), np.random.default_rng(5), 200_000
    walk = WalkSampler(w)
    anchors = walk.anchors(count, rng)
    neighbours = walk.step(anchors, rng)
    observed = np.zeros((12, 12))
    np.add.at(observed, (anchors, neighbours), 1.0 / count)
    expected = w.toarray() / degrees(w).sum()
    assert (observed[expected == 0] == 0).all()
    assert np.abs(observed - expected).max() < 5 * np.sqrt(expected.max() / count)
    np.testing.assert_allclose(observed.sum(0), stationary(w), atol=5e-3)  # neighbours are stationary, too
