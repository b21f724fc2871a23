"""Balance makes a critic a density ratio on unpaired rows, whatever offsets it came with."""

import numpy as np
import pytest

from components.bridging.balance import fit_balance, outer_offsets
from components.bridging.critic import Critic


def world(scale=2.0, seed=0, outer=80, bridge=90):
    rng = np.random.default_rng(seed)
    critic = Critic(kind="dot", scale=scale, dim=4)
    return critic.score, rng.normal(size=(outer, 4)), rng.normal(size=(bridge, 4)) + 0.5


def mean_exp(values, axis):
    return np.exp(values).mean(axis=axis)


def test_exp_of_the_balanced_critic_averages_to_one_over_either_side():
    score, outer, bridge = world(scale=0.7)
    weights = fit_balance(score, outer, bridge, seed=0).log_weights(bridge)
    offsets = outer_offsets(score, outer, bridge, weights)
    balanced = score(outer, bridge) - offsets[:, None] + weights
    np.testing.assert_allclose(mean_exp(balanced, axis=1), 1, rtol=1e-12)  # the last step makes it exact
    np.testing.assert_allclose(mean_exp(balanced, axis=0), 1, rtol=1e-6)


def test_offsets_of_a_and_of_b_do_not_come_through():
    score, outer, bridge = world(scale=0.7)
    rng = np.random.default_rng(1)
    u, v = dict(zip(map(bytes, outer), rng.normal(size=80), strict=True)), rng.normal(size=4)

    def shifted(a, b):
        return score(a, b) + np.array([u[bytes(row)] for row in a])[:, None] + b @ v

    def balanced(critic):
        weights = fit_balance(critic, outer, bridge, seed=0).log_weights(bridge)
        return critic(outer, bridge) + weights - outer_offsets(critic, outer, bridge, weights)[:, None]

    np.testing.assert_allclose(balanced(shifted), balanced(score), atol=1e-6)


def test_a_density_ratio_is_left_alone():
    """f = log p(b|a)/p(b) of a discrete world whose bridge is all of it needs no weights and no offsets."""
    joint = np.random.default_rng(2).dirichlet(np.ones(36)).reshape(6, 6) + 1 / 36
    for _ in range(500):  # uniform margins, as the rows are weighed
        joint /= joint.sum(axis=1, keepdims=True) * 6
        joint /= joint.sum(axis=0, keepdims=True) * 6
    ratio = np.log(joint * 36)

    def score(a, b):
        return a @ ratio @ b.T

    rows = np.eye(6)
    weights = fit_balance(score, rows, rows, seed=0).log_weights(rows)
    np.testing.assert_allclose(weights - weights.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(outer_offsets(score, rows, rows, weights - weights.mean()), 0, atol=1e-9)


def test_shards_and_blocks_change_nothing(monkeypatch):
    score, outer, bridge = world()
    balance = fit_balance(score, outer, bridge, seed=0)
    weights = balance.log_weights(bridge)
    offsets = outer_offsets(score, outer, bridge, weights)
    parts = np.concatenate([balance.log_weights(part) for part in np.array_split(bridge, 7)])
    np.testing.assert_allclose(parts, weights, atol=1e-12)
    monkeypatch.setattr("components.bridging.balance.MAX_SCORES", 200)
    np.testing.assert_allclose(balance.log_weights(bridge), weights, atol=1e-12)
    np.testing.assert_allclose(outer_offsets(score, outer, bridge, weights), offsets, atol=1e-12)
    assert len(outer_offsets(score, outer[:0], bridge, weights)) == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sample_of_the_rows_is_seeded(monkeypatch, seed):
    monkeypatch.setattr("components.bridging.balance.BANK", 20)
    score, outer, bridge = world()
    one, again = (fit_balance(score, outer, bridge, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(one.bank, again.bank)
    assert len(one.bank) == 20
    assert not np.array_equal(one.bank, fit_balance(score, outer, bridge, seed=seed + 2).bank)
