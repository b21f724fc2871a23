"""Closed forms against sums over many samples, integrals, and the published special case."""

from itertools import pairwise

import numpy as np
import pytest
from bridge_worlds import random_world

from components.bridging.bridge import Bridge, Moments, moments
from components.bridging.critic import Critic, CriticPair
from components.bridging.estimators import estimate
from components.bridging.gaussian import gaussian_scores
from components.bridging.scores import BridgeOptions
from components.bridging.smoothed import GRID, choose_bandwidth
from components.bridging.sphere import log_mean_exp_on_sphere


def pair_of(kind, scales, dims):
    return CriticPair(*[Critic(kind=kind, scale=s, dim=d) for s, d in zip(scales, dims, strict=True)])


def unnamed(first, second):
    return Bridge(range(len(first)), first, second)


@pytest.mark.parametrize(("dim", "scales", "error"), [(6, (3.0, 2.0), 0.005), (32, (8.0, 5.0), 0.01)])
def test_sphere_is_the_limit_of_monte_carlo(dim, scales, error):
    rng = np.random.default_rng(0)
    a, c, b = (rng.normal(size=(n, dim)) for n in (6, 6, 300_000))
    critics = CriticPair(*[Critic(kind="cosine", scale=s, dim=dim) for s in scales], same_space=True)
    bridge = unnamed(b, b)
    formula, sampled = (estimate(n, a, c, bridge, critics).scores for n in ("sphere", "monte-carlo"))
    assert np.abs(formula - sampled).mean() < error
    direct = estimate("direct", a, c, bridge, critics)
    np.testing.assert_array_equal(direct.scores.argsort(1), formula.argsort(1))  # the Law: the same order
    assert not direct.warnings


@pytest.mark.parametrize("dim", [2, 3, 16, 512, 3000])
def test_sphere_is_the_integral(dim):
    from scipy.integrate import quad
    from scipy.special import betaln

    for kappa in (0.0, 1e-5, 0.1, 3.0, 40.0, 700.0):
        # the first coordinate of a uniform point has density (1 − t²)^((d−3)/2) / B(½, (d−1)/2); t = sin θ
        def log_density(theta, kappa=kappa):
            return kappa * np.sin(theta) + (dim - 2) * np.log(np.cos(theta))

        grid = np.linspace(-np.pi / 2, np.pi / 2, 200_001)[1:-1]
        top, mode = log_density(grid).max(), grid[log_density(grid).argmax()]
        value, _ = quad(
            lambda t, top=top: np.exp(log_density(t) - top), -np.pi / 2, np.pi / 2, points=[mode], limit=2000
        )
        expected = top + np.log(value) - betaln(0.5, (dim - 1) / 2)
        assert log_mean_exp_on_sphere(np.array(kappa), dim) == pytest.approx(expected, abs=2e-7)
    assert np.isfinite(log_mean_exp_on_sphere(np.array([1e-300, 1e5, 1e8]), dim)).all()


@pytest.mark.parametrize("kind", ["dot", "l2"])
def test_gaussian_is_the_limit_of_monte_carlo_for_separate_models(kind):
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(5, 5)) / 3
    x = rng.normal(size=(300_000, 5)) @ mix + 0.3
    critics = pair_of(kind, (1.2, 0.8), (3, 2))
    a, c = rng.normal(size=(5, 3)) / 2, rng.normal(size=(6, 2)) / 2
    bridge = unnamed(x[:, :3], x[:, 3:])
    formula, sampled = (estimate(n, a, c, bridge, critics) for n in ("gaussian", "monte-carlo"))
    assert np.abs(formula.scores - sampled.scores).mean() < 0.005
    assert (formula.standard_error < 0.05).all() and (formula.standard_error > 0).all()


def test_gaussian_of_one_isotropic_space_is_lemma_3():
    rng = np.random.default_rng(2)
    k, v = 3, 1.5
    a, c = rng.normal(size=(4, k)), rng.normal(size=(5, k))
    one = v * np.block([[np.eye(k), np.eye(k)], [np.eye(k), np.eye(k)]])  # both embeddings are the same
    found = gaussian_scores(a, c, pair_of("l2", (1.0, 1.0), (k, k)), Moments(np.zeros(2 * k), one, 100))
    gamma, delta = (v + 1) / (4 * v + 2), 2 / (v + 1)
    distance = ((a[:, None] - c) ** 2).sum(-1)
    np.testing.assert_allclose(found, -k / 2 * np.log(2 * v + 1) - gamma * (distance + delta * a @ c.T), atol=1e-12)


def test_monte_carlo_comes_nearer_as_one_over_the_root_of_the_bridge():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400_000, 6))
    a, c, critics = rng.normal(size=(8, 3)), rng.normal(size=(8, 3)), pair_of("l2", (0.5, 0.5), (3, 3))
    truth = gaussian_scores(a, c, critics, Moments(np.zeros(6), np.eye(6), 1))
    sizes, errors, claimed = (250, 4_000, 64_000), [], []
    for size in sizes:
        runs = [unnamed(*np.split(x[s : s + size], 2, axis=1)) for s in range(0, min(6 * size, 400_000 - size), size)]
        found = [estimate("monte-carlo", a, c, b, critics) for b in runs]
        errors.append(np.sqrt(np.mean([(f.scores - truth) ** 2 for f in found])))
        claimed.append(np.sqrt(np.mean([f.standard_error**2 for f in found])))
    for error, next_one in pairwise(errors):
        assert 2.5 < error / next_one < 6.5  # 16 times the bridge: a quarter of the error
    np.testing.assert_allclose(claimed, errors, rtol=0.35)  # the standard error says so itself


@pytest.mark.parametrize("kind", ["cosine", "dot", "l2"])
def test_smoothed_bridge_is_the_integral_over_its_kernels(kind):
    a, c, bridge, critics = random_world(kinds=(kind, kind), queries=3, candidates=3, items=6, dims=(2, 2))
    of_bridge, rng, h = moments(bridge, critics), np.random.default_rng(0), 0.3
    x = np.concatenate([critics.ab.rows(bridge.first), critics.bc.rows(bridge.second)], axis=1)
    centres = of_bridge.mean + np.sqrt(1 - h) * (x - of_bridge.mean)
    noise = rng.multivariate_normal(np.zeros(4), h * of_bridge.covariance, size=60_000)
    drawn = (centres[None] + noise[:, None]).reshape(-1, 4)
    plain = "l2" if kind == "l2" else "dot"  # a kernel around a unit row leaves the sphere
    sampled = CriticPair(*[Critic(kind=plain, scale=cr.scale, dim=2) for cr in (critics.ab, critics.bc)])
    left, right = critics.ab.rows(a), critics.bc.rows(c)
    expected = estimate("monte-carlo", left, right, unnamed(drawn[:, :2], drawn[:, 2:]), sampled).scores
    found = estimate("smoothed", a, c, bridge, critics, BridgeOptions(bandwidth=h)).scores
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_bandwidth_is_chosen_without_pairs_and_none_for_heavy_tails():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(600, 8))
    first, second = x @ rng.normal(size=(8, 8)), x @ rng.normal(size=(8, 8))
    a, c = first[:100] + rng.normal(size=(100, 8)) / 2, second[:100] + rng.normal(size=(100, 8)) / 2
    critics, options = pair_of("l2", (3.0, 3.0), (8, 8)), BridgeOptions()
    bridge = unnamed(first[100:], second[100:])
    chosen = choose_bandwidth(a, c, bridge, critics, options)
    assert chosen.bandwidth > 0 and [h for h, _ in chosen.curve] == list(GRID[: len(chosen.curve)])

    def hits(bandwidth):
        scores = estimate("smoothed", a, c, bridge, critics, BridgeOptions(bandwidth=bandwidth)).scores
        return (scores.argmax(1) == np.arange(100)).mean()

    assert hits(None) == hits(chosen.bandwidth) > hits(0.0) + 0.1
    lengths = np.exp(1.5 * rng.normal(size=(600, 1)))  # dot critics have such rows
    dot = choose_bandwidth(
        a * lengths[:100],
        c * lengths[:100],
        unnamed(first[100:] * lengths[100:], second[100:] * lengths[100:]),
        pair_of("dot", (1.0, 1.0), (8, 8)),
        options,
    )
    assert dot.bandwidth == 0
    assert choose_bandwidth(a, c, bridge.take(slice(0, 10)), critics, options).bandwidth == 0


@pytest.mark.parametrize("seed", [0, 3])
def test_dot_critics_of_the_same_scores_are_not_smoothed(seed):
    """-½|x - y|² is the dot product of (x, -½|x|², 1) and (y, 1, -½|y|²), whose tails no Gaussian has."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(600, 8))
    first, second = x @ rng.normal(size=(8, 8)), x @ rng.normal(size=(8, 8))
    a, c = (side[:100] + rng.normal(size=(100, 8)) / 2 for side in (first, second))
    bridge = unnamed(first[100:], second[100:])
    l2 = a, c, bridge, pair_of("l2", (0.4, 0.4), (8, 8)), BridgeOptions()

    def lifted(rows, order):
        return np.column_stack([rows, -(rows**2).sum(axis=1) / 2, np.ones(len(rows))])[:, [*range(8), *order]]

    lifted_bridge = unnamed(lifted(bridge.first, (9, 8)), lifted(bridge.second, (9, 8)))
    outer = lifted(a, (8, 9)), lifted(c, (8, 9))
    dot = *outer, lifted_bridge, pair_of("dot", (0.4, 0.4), (10, 10)), BridgeOptions()
    np.testing.assert_allclose(estimate("monte-carlo", *l2).scores, estimate("monte-carlo", *dot).scores, atol=1e-9)
    assert choose_bandwidth(*l2).bandwidth >= 0.4
    assert choose_bandwidth(*dot).bandwidth == 0
