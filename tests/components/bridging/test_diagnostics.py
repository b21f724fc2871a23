"""What is said of a bridge without A–C pairs, where it is known in closed form."""

import numpy as np
import pytest

from components.bridging.bridge import Bridge
from components.bridging.critic import Critic, CriticPair
from components.bridging.diagnostics import halves_kl, perplexity, quantiles, uncovered
from components.bridging.prepared import PreparedBridge
from components.bridging.scores import BridgeOptions

DOT = Critic(kind="dot", scale=1.0, dim=3)


def test_perplexity_counts_the_items_that_are_alike_to_a_query(monkeypatch):
    bridge = np.repeat(np.eye(3), [5, 2, 1], axis=0)
    queries = 200 * np.eye(3)
    for chunk in (4_000_000, 8):  # in one piece, and query by query
        monkeypatch.setattr("components.bridging.diagnostics.CHUNK", chunk)
        np.testing.assert_allclose(perplexity(DOT, queries, bridge, np.zeros(8)), [5, 2, 1], rtol=1e-9)
        np.testing.assert_allclose(perplexity(DOT, np.zeros((1, 3)), bridge, np.zeros(8)), 8)
    weights = np.log([1, 3] + 6 * [1e-12])  # two items are left, one of them three times
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    np.testing.assert_allclose(perplexity(DOT, np.zeros((1, 3)), bridge, weights), np.exp(entropy), rtol=1e-6)
    assert len(perplexity(DOT, queries[:0], bridge, np.zeros(8))) == 0


def prepared(first, second):
    bridge, nothing = Bridge([str(n) for n in range(len(first))], first, second), np.zeros(len(first))
    return PreparedBridge(bridge, CriticPair(DOT, DOT), nothing, nothing, False)


def test_halves_agree_more_the_larger_the_bridge_and_wholly_if_all_items_are_one():
    rng, options = np.random.default_rng(0), BridgeOptions()
    a, c = rng.normal(size=(6, 3)), rng.normal(size=(7, 3))
    items = rng.normal(size=(2, 4000, 3))
    small, large = (halves_kl(prepared(*items[:, :m]), a, c, options) for m in (40, 4000))
    assert 0 < large < small / 5
    assert halves_kl(prepared(*np.ones((2, 10, 3))), a, c, options) == pytest.approx(0, abs=1e-12)
    assert halves_kl(prepared(*np.ones((2, 1, 3))), a, c, options) == 0  # one item has no halves


def test_rows_far_from_every_item_are_uncovered_and_usual_ones_a_twentieth():
    rng = np.random.default_rng(0)
    cosine, bridge = Critic(kind="cosine", scale=5.0, dim=3), np.abs(rng.normal(size=(200, 3)))
    usual, same = (np.abs(rng.normal(size=(1000, 3))) for _ in range(2))
    assert uncovered(cosine, same, bridge, usual) == pytest.approx(0.05, abs=0.03)
    assert uncovered(cosine, -same, bridge, usual) == 1


def test_quantiles_leave_out_what_is_infinite():
    assert quantiles([*range(101), np.inf, np.nan]) == {"5 %": 5, "25 %": 25, "50 %": 50, "75 %": 75, "95 %": 95}
    assert quantiles([np.inf]) == {} == quantiles([])
