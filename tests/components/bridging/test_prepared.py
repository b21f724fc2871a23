"""A balanced bridge: offsets that the critics came with are in no score, and bad critics are told."""

import numpy as np
import pytest

from components.bridging.critic import Critic, CriticPair
from components.bridging.fitted import ROWS, FittedCritics
from components.bridging.prepared import OVER_BRIDGE, prepare, usable
from components.bridging.scores import BridgeOptions
from components.embeddings import Embeddings
from components.errors import UserError
from components.transforms import Identity, Linear

OPTIONS = BridgeOptions(bandwidth=0.2)


def world(*, kind="dot", scale=0.5, balanced=True, moved=None, items=150):
    """``moved``: a vector that is added to all rows of B, which gives every row of A and C an offset (dot critics)."""
    rng = np.random.default_rng(0)
    ids = [f"{n:03d}" for n in range(items)]
    rows = {name: Embeddings(ids, rng.normal(size=(items, 4)).astype(np.float32)) for name in ROWS}
    maps = {name: Identity() for name in ROWS}
    if moved is not None:
        maps |= {name: Linear(-np.asarray(moved), np.eye(4)) for name in ("b_first", "b_second")}
    critic = Critic(kind=kind, scale=scale, dim=4)
    fitted = FittedCritics(critics=CriticPair(critic, critic), maps=maps)
    unpaired = {"a": ids[:100], "c": ids[50:]} if balanced else None
    return prepare(fitted, rows, ids, unpaired, seed=0), rows["a"].vectors[:9], rows["c"].vectors[:11]


@pytest.mark.parametrize("method", OVER_BRIDGE)
def test_offsets_of_outer_rows_do_not_come_through(method):
    plain, moved = (p.estimate(method, a, c, OPTIONS).scores for p, a, c in (world(), world(moved=[1, -2, 0, 1])))
    np.testing.assert_allclose(moved, plain, atol=1e-5)
    raw, shifted = (
        p.estimate(method, a, c, OPTIONS).scores
        for p, a, c in (world(balanced=False), world(balanced=False, moved=[1, -2, 0, 1]))
    )
    assert np.abs(shifted - raw).max() > 0.5  # so the balance has something to do


def test_balanced_ratios_average_to_one():
    """A mean over b of r_ab(a, b) r_bc(b, c) averages to 1 over c if both do: scores are log ratios in themselves."""
    prepared, a, _ = world(scale=0.3)
    rest = np.random.default_rng(0).normal(size=(4, 150, 4)).astype(np.float32)[3]  # the rows of C it was balanced on
    scores = prepared.estimate("monte-carlo", a, rest[50:], OPTIONS).scores
    np.testing.assert_allclose(np.exp(scores).mean(axis=1), 1, atol=0.05)


def test_offsets_that_are_known_are_used_as_they_are():
    prepared, a, c = world()
    fresh = prepared.estimate("monte-carlo", a, c, OPTIONS).scores
    known = {"a": prepared.offsets("a", a), "c": prepared.offsets("c", c)}
    np.testing.assert_array_equal(prepared.estimate("monte-carlo", a, c, OPTIONS, known).scores, fresh)
    known["c"] = known["c"] + 1
    np.testing.assert_allclose(prepared.estimate("monte-carlo", a, c, OPTIONS, known).scores, fresh - 1)


def test_a_part_of_the_bridge_keeps_its_items_weights():
    prepared, a, c = world()
    part = prepared.take(np.arange(0, 150, 3))
    np.testing.assert_array_equal(part.bridge.log_weights, part.weights_ab + part.weights_bc)
    assert list(part.bridge.ids) == list(prepared.bridge.ids)[::3]
    assert part.estimate("monte-carlo", a, c, OPTIONS).scores.shape == (9, 11)


def test_critics_whose_scores_overflow_are_refused():
    with pytest.raises(UserError, match="critics gave scores that are NaN or infinite; check embeddings and scales"):
        world(scale=1e308)
    with pytest.raises(UserError, match="the bridge is empty"):
        prepared, _, _ = world()
        prepared.take(np.zeros(0, np.int64))


def test_estimators_that_the_critics_allow():
    def methods(kind, same_space, dims=(4, 4)):
        ab, bc = (Critic(kind=kind, scale=1.0, dim=d) for d in dims)
        return usable(["direct", "sphere", "gaussian", "auto"], CriticPair(ab, bc, same_space))

    assert methods("cosine", True) == ["direct", "sphere", "gaussian", "auto"]
    assert methods("cosine", False) == ["direct", "gaussian", "auto"]
    assert methods("cosine", False, (4, 3)) == methods("dot", False) == ["gaussian", "auto"]
    assert methods("l2", True) == ["direct", "gaussian", "auto"]
