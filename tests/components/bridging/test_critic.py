"""Critics, their cards, and the rows of the bridge."""

import numpy as np
import pytest
from bridge_worlds import random_world

from components.bridging.bridge import Bridge, moments
from components.bridging.critic import Critic, CriticPair
from components.errors import UserError

CARD = {"kind": "l2", "scale": 2.0, "dim": 3}


def test_scores_are_the_formulas():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(5, 3)) + 1e4
    distance = ((x[:, None] - y) ** 2).sum(-1)
    np.testing.assert_allclose(Critic(kind="l2", scale=2.0, dim=3).score(x, y), -distance, rtol=1e-12)
    np.testing.assert_allclose(Critic(kind="dot", scale=2.0, dim=3).score(x, y), 2 * x @ y.T)
    cosine = Critic(kind="cosine", scale=5.0, dim=3).score(x, y)
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(cosine, 5 * x @ y.T / lengths)


def test_a_card_comes_back():
    critic = Critic(kind="cosine", scale=12.5, dim=32)
    assert Critic.from_json({**critic.to_json(), "model": "x"}) == critic


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": None}, "has no scale"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"scale": float("inf")}, "scale is inf"),
        ({"scale": "9"}, "scale is '9'"),
        ({"scale": True}, "scale is True"),
        ({"scale": -1.0}, "scale is -1"),
        ({"kind": "manhattan"}, "no critic 'manhattan'.*cosine"),
        ({"kind": ["l2"]}, "no critic"),
        ({"dim": 0}, "dimension 0"),
        ({"dim": 2.5}, "dimension 2.5"),
        ({"dim": None}, "has no dim"),
    ],
)
def test_a_card_without_a_usable_value_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        Critic.from_json({**CARD, **change}, where="ab.json")


@pytest.mark.parametrize("card", [None, [1], "l2", {}])
def test_what_is_no_card_is_refused(card):
    with pytest.raises(UserError, match=r"ab.json: .*has no kind"):
        Critic.from_json(card, where="ab.json")


def test_critics_of_different_dimension_share_no_space():
    left, right = Critic(kind="dot", scale=1.0, dim=3), Critic(kind="dot", scale=1.0, dim=4)
    with pytest.raises(UserError, match="3 and 4 dimensions"):
        CriticPair(left, right, same_space=True)
    CriticPair(left, right)


X, Y = np.ones((3, 2)), np.ones((3, 4))
IDS = ["x", "y", "z"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], X[:0], Y[:0]), "the bridge is empty"),
        ((IDS, X[:2], Y), "2 first rows for 3 items"),
        ((IDS, X, Y[:2]), "2 second rows for 3 items"),
        ((IDS, X, np.array([[0] * 4, [0] * 4, [np.inf] * 4])), "item 'z' .* second row"),
        ((IDS, X[0], Y), "have the shape"),
        ((IDS, X[:, :0], Y), "have the shape"),
        ((IDS, X, Y, np.zeros(2)), "log weights"),
        ((IDS, X, Y, np.array([0, 0, -np.inf])), "log weights"),
        ((IDS, X, Y, None, True), "different dimensions"),
    ],
)
def test_bridges_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        Bridge(*arguments)


def test_a_bridge_is_split_by_id():
    whole = random_world(items=50)[2]
    folds = whole.folds(5, seed=1)
    assert (np.bincount(folds) == 10).all()
    order = np.random.default_rng(0).permutation(50)
    np.testing.assert_array_equal(whole.take(order).folds(5, seed=1), folds[order])
    assert [i for s in whole.shards(7) for i in s.ids] == list(whole.ids)
    assert len(whole.take(slice(0, 3)).shards(7)) == 3


def test_moments_are_those_of_the_rows_the_critics_see():
    _, _, bridge, critics = random_world(kinds=("cosine", "l2"), items=200)
    x = np.concatenate([critics.ab.rows(bridge.first), bridge.second], axis=1)
    found = moments(bridge, critics, rows=17)
    np.testing.assert_allclose(found.mean, x.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x.T, bias=True), atol=1e-12)
