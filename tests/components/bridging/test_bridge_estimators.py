"""One signature: what every estimator returns, warns of and refuses."""

from dataclasses import replace

import numpy as np
import pytest
from bridge_worlds import random_world

from components.bridging.auto import rank_agreement
from components.bridging.bridge import Bridge, moments
from components.bridging.critic import Critic, CriticPair
from components.bridging.direct import assumptions
from components.bridging.estimators import ESTIMATORS, estimate
from components.bridging.scores import BridgeOptions, BridgeScores
from components.errors import UserError


def shared_world(kind="cosine", scale=8.0, seed=0):
    """Queries and candidates near bridge items of one isotropic space."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=(400, 6))
    near = [b[:30] + 0.2 * rng.normal(size=(30, 6)) for _ in range(2)]
    critic = Critic(kind=kind, scale=scale, dim=6)
    return (
        *near,
        Bridge([str(n) for n in range(370)], b[30:], b[30:], same_space=True),
        CriticPair(critic, critic, True),
    )


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_every_estimator_finds_partners_in_one_space(name):
    a, c, bridge, critics = shared_world()
    found = estimate(name, a, c, bridge, critics)
    assert found.scores.shape == found.ess.shape == found.standard_error.shape == (30, 30)
    assert found.scores.dtype == np.float64 and (found.ess >= 1).all() and (found.standard_error >= 0).all()
    assert (found.scores.argmax(1) == np.arange(30)).mean() > 0.5
    again = estimate(name, a, c, bridge.take(np.random.default_rng(1).permutation(370)), critics)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-9)
    np.testing.assert_allclose(again.standard_error, found.standard_error, atol=1e-9)


def test_auto_takes_direct_in_one_space_smoothed_across_two_and_monte_carlo_for_dot():
    a, c, bridge, critics = shared_world()
    found = estimate("auto", a, c, bridge, critics)
    assert found.method == found.details["chosen"] == "direct" and found.details["direct_agreement"] > 0.5
    assert estimate("auto", a, c, bridge, replace(critics, same_space=False)).method == "smoothed"
    rotated = replace(bridge, second=bridge.second @ np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0])
    assert estimate("auto", a, c, rotated, critics).method == "smoothed"  # said to be one space, but is not
    dot = Critic(kind="dot", scale=1.0, dim=6)
    assert estimate("auto", a, c, bridge, CriticPair(dot, dot, True)).method == "monte-carlo"


def test_direct_warns_of_what_it_assumes():
    a, c, bridge, critics = shared_world()
    assert not estimate("direct", a, c, bridge, critics).warnings
    assert "do not share the space" in estimate("direct", a, c, bridge, replace(critics, same_space=False)).warnings[0]
    dot = Critic(kind="dot", scale=1.0, dim=6)
    assert "not covered" in estimate("direct", a, c, bridge, CriticPair(dot, dot, True)).warnings[-1]
    turned = replace(bridge, second=-bridge.second)
    assert "hardly aligned" in estimate("direct", a, c, turned, critics).warnings[0]
    facts = assumptions(moments(bridge, critics), critics)
    assert facts["alignment"] > 0.95 and facts["effective_dims"] > 0.9 and facts["mean_length"] < 0.05


def test_queries_with_few_effective_items_are_named():
    a, c, bridge, critics = shared_world(scale=400.0)
    a[7] = a[7] * 0 + np.eye(6)[0]
    found = estimate("monte-carlo", a, c, bridge, critics, BridgeOptions(ess_floor=1.5))
    best = np.take_along_axis(found.ess, found.scores.argmax(1)[:, None], 1)[:, 0]
    assert f"{(best < 1.5).sum()} of 30 queries rest on fewer than 1.5 bridge items" in found.warnings[0]
    assert f"queries {best.argmin()}" in found.warnings[0]
    assert not estimate("monte-carlo", a, c, bridge, critics, BridgeOptions(ess_floor=0)).warnings


def test_rank_agreement():
    x = np.random.default_rng(0).normal(size=(5, 8))
    assert rank_agreement(x, np.exp(x)) == pytest.approx(1) and rank_agreement(x, -x) == pytest.approx(-1)
    assert rank_agreement(x, np.zeros((5, 8))) == 0


def changed(**parts):
    a, c, bridge, critics = random_world(items=60)
    world = {"a": a, "c": c, "first": bridge.first, "second": bridge.second, "ids": bridge.ids, "critics": critics}
    world |= parts
    return world["a"], world["c"], Bridge(world["ids"], world["first"], world["second"]), world["critics"]


NAN = np.array([[0.0] * 6, [np.nan] * 6])
BAD = {
    "no such estimator": ("mc", {}, "there is no estimator 'mc'.*monte-carlo"),
    "queries of another dimension": ("monte-carlo", {"a": np.ones((3, 4))}, r"the queries of the shape \[3, 4\]"),
    "no queries": ("monte-carlo", {"a": np.ones((0, 6))}, "there are no queries"),
    "no candidates": ("smoothed", {"c": np.ones((0, 5))}, "there are no candidates"),
    "NaN query": ("monte-carlo", {"a": NAN}, "row 1 of the queries has a NaN"),
    "zero query of a cosine": ("monte-carlo", {"a": NAN[:1]}, "row 0 of the queries is zero"),
    "bridge of another dimension": ("gaussian", {"first": np.ones((60, 4))}, "first rows have 4 dimensions.*has 6"),
    "sphere of two spaces": ("sphere", {}, "cosine critics of one space"),
    "direct of two dimensions": ("direct", {}, "no direct comparison"),
    "gaussian of a few items": (
        "gaussian",
        {"ids": ["x"], "first": np.ones((1, 6)), "second": np.ones((1, 5))},
        "too few for a covariance",
    ),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_input_is_one_sentence(case):
    name, parts, message = BAD[case]
    with pytest.raises(UserError, match=message):
        estimate(name, *changed(**parts))


@pytest.mark.parametrize("bad", [{"bandwidth": 1.5}, {"bandwidth": -0.1}, {"top": 0}, {"memory_budget": 0}])
def test_impossible_options_are_refused(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        BridgeOptions(**bad)


def test_nan_scores_are_refused():
    one = np.ones((1, 1))
    with pytest.raises(UserError, match="monte-carlo gave NaN"):
        BridgeScores(scores=one * np.nan, ess=one, standard_error=one, method="monte-carlo")
    a, c, bridge, _ = random_world()
    huge = CriticPair(Critic(kind="dot", scale=1e308, dim=6), Critic(kind="dot", scale=1e308, dim=5))
    with pytest.raises(UserError, match="NaN or infinite"), np.errstate(over="ignore"):
        estimate("monte-carlo", a * 1e10, c, bridge, huge)
