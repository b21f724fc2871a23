"""The log-sum-exp over the bridge: exact, finite, sharded, pruned, within its memory."""

import tracemalloc

import numpy as np
import pytest
from bridge_worlds import brute_force, random_world

from components.bridging.bridge import Bridge, moments
from components.bridging.critic import Critic, CriticPair
from components.bridging.estimators import estimate, estimate_cost
from components.bridging.kernel import chunk_items, finish, merge, reduce_bridge
from components.bridging.scores import BridgeOptions
from components.bridging.terms import make_terms
from components.errors import UserError

KINDS = ("cosine", "dot", "l2")


def scores_of(terms, bridge, budget=1 << 24):
    return finish(terms, reduce_bridge(terms, bridge, budget)).scores


@pytest.mark.parametrize("kinds", [("cosine", "cosine"), ("dot", "dot"), ("l2", "l2"), ("cosine", "l2"), ("l2", "dot")])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_products_are_the_sum_of_all_exponentials(kinds, scale):
    world = random_world(kinds=kinds, scale=scale, items=300)
    found = estimate("monte-carlo", *world, BridgeOptions(memory_budget=12_000))  # chunks of a few items
    scores, ess = brute_force(*world)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.ess, ess, rtol=1e-9)
    expected = np.sqrt(np.maximum(1 / ess - 1 / 300, 0))
    np.testing.assert_allclose(found.standard_error, expected, atol=1e-6)


def test_importance_weights_are_repeated_items():
    a, c, bridge, critics = random_world(items=40)
    counts = np.random.default_rng(1).integers(1, 4, len(bridge))
    weighted = Bridge(bridge.ids, bridge.first, bridge.second, np.log(counts))
    many = np.repeat(np.arange(40), counts)
    repeated = Bridge([str(n) for n in range(len(many))], bridge.first[many], bridge.second[many])
    for name in ("monte-carlo", "gaussian", "smoothed"):
        options = BridgeOptions(bandwidth=0.3)
        left, right = (estimate(name, a, c, b, critics, options).scores for b in (weighted, repeated))
        np.testing.assert_allclose(left, right, atol=1e-9)


@pytest.mark.parametrize("bandwidth", [0.0, 0.2])
@pytest.mark.parametrize("kind", KINDS)
def test_shards_and_order_do_not_matter(kind, bandwidth):
    a, c, bridge, critics = random_world(kinds=(kind, kind), scale=5.0, items=101)
    terms = make_terms(a, c, critics, bandwidth=bandwidth, bridge_moments=moments(bridge, critics))
    whole = finish(terms, reduce_bridge(terms, bridge, 1 << 24))
    shards = [reduce_bridge(terms, s, 1 << 24) for s in bridge.shards(7)]
    assert len(shards) == 7
    for parts in (shards, shards[::-1]):
        copies = [type(p)(p.log_sum.copy(), p.log_square.copy(), p.log_mass, p.count) for p in parts]
        sharded = finish(terms, merge(copies))
        np.testing.assert_allclose(sharded.scores, whole.scores, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(sharded.ess, whole.ess, rtol=1e-11)
    shuffled = bridge.take(np.random.default_rng(3).permutation(len(bridge)))
    np.testing.assert_allclose(scores_of(terms, shuffled), whole.scores, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_bandwidths_of_zero_and_one_are_monte_carlo_and_the_closed_form(kind):
    a, c, bridge, critics = random_world(kinds=(kind, kind), scale=2.0)
    options = [BridgeOptions(bandwidth=h) for h in (0.0, 1e-13, 1.0)]
    plain, nearly, whole = (estimate("smoothed", a, c, bridge, critics, o).scores for o in options)
    np.testing.assert_array_equal(plain, estimate("monte-carlo", a, c, bridge, critics).scores)
    np.testing.assert_allclose(nearly, plain, atol=1e-4)
    np.testing.assert_allclose(whole, estimate("gaussian", a, c, bridge, critics).scores, atol=1e-9)


def test_finite_and_exact_where_float32_is_off_by_tens_of_nats():
    rng = np.random.default_rng(0)
    b = rng.normal(size=(3000, 64))
    a, c = (b[20 * n : 20 * n + 20] + 0.1 * rng.normal(size=(20, 64)) for n in range(2))  # each near an item of its own
    critics = CriticPair(*[Critic(kind="cosine", scale=100.0, dim=64)] * 2, same_space=True)
    world = (a, c, Bridge([str(n) for n in range(3000)], b, b), critics)
    scores, _ = brute_force(*world)
    np.testing.assert_allclose(estimate("monte-carlo", *world).scores, scores, atol=1e-9)
    unit = [np.float32(critics.ab.rows(x)) for x in (a, c, b)]
    left, right = 100 * unit[0] @ unit[2].T, 100 * unit[1] @ unit[2].T
    with np.errstate(all="ignore"):
        bare = np.log(np.exp(left - left.max(1, keepdims=True)) @ np.exp(right - right.max(1, keepdims=True)).T)
    naive = bare + left.max(1)[:, None] + right.max(1) - np.float32(np.log(3000))
    assert not np.isfinite(naive).all() or np.abs(naive - scores).max() > 10


def test_sums_beyond_float64_are_made_term_by_term():
    world = random_world(kinds=("dot", "l2"), scale=2000.0, items=200)
    scores, ess = brute_force(*world)
    found = estimate("monte-carlo", *world, BridgeOptions(memory_budget=30_000))
    np.testing.assert_allclose(found.scores, scores, rtol=1e-12)
    np.testing.assert_allclose(found.ess, ess, rtol=1e-6)


def test_memory_does_not_grow_with_the_bridge():
    budget, peaks = 3_000_000, []
    for items in (2_000, 20_000):
        a, c, bridge, critics = random_world(queries=60, candidates=50, items=items, dims=(16, 16))
        terms = make_terms(a, c, critics)
        tracemalloc.start()
        reduce_bridge(terms, bridge, budget)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        chunk = chunk_items(terms, bridge, budget)
        assert chunk * 8 * (60 + 50) + 8 * 3 * 60 * 50 < budget and chunk < 2_000
    assert max(peaks) < budget * 1.1


def test_a_budget_below_the_result_is_refused():
    a, c, bridge, critics = random_world()
    with pytest.raises(UserError, match=r"memory_budget: .* the budget is 0 MiB; raise it"):
        estimate("monte-carlo", a, c, bridge, critics, BridgeOptions(memory_budget=500))


@pytest.mark.parametrize(("kind", "scale"), [("cosine", 30.0), ("l2", 3.0), ("dot", 1.0)])
def test_pruned_scores_are_within_their_bound(kind, scale):
    world = random_world(kinds=(kind, kind), scale=scale, queries=70, items=500)
    whole = estimate("monte-carlo", *world).scores
    bounds = []
    for top in (5, 50):
        pruned = estimate("monte-carlo", *world, BridgeOptions(top=top))
        missing = whole - pruned.scores
        assert missing.min() > -1e-9
        assert (missing <= pruned.error_bound + 1e-9).all()
        assert pruned.details["kept"] < 1
        bounds.append(pruned.error_bound.mean())
    assert bounds[1] < bounds[0]
    everything = estimate("monte-carlo", *world, BridgeOptions(top=500))
    np.testing.assert_array_equal(everything.scores, whole)


def test_cost_is_extrapolated_from_a_chunk():
    a, c, bridge, critics = random_world(items=2_000)
    small, large = (estimate_cost(a, c, bridge.take(slice(0, m)), critics) for m in (500, 2_000))
    assert large.flops == 4 * small.flops and large.exponentials == 2_000 * (len(a) + len(c))
    assert large.seconds > 0 and large.num_bytes <= BridgeOptions().memory_budget
    assert "MiB" in str(large)
