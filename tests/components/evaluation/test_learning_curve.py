"""Estimates of recall and of what more pairs bring, against what is found in truth."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Pairs
from components.alignment.ridge_map import RidgeMap
from components.evaluation.intervals import wilson_interval
from components.evaluation.learning_curve import LearningCurve, learning_curve
from components.evaluation.out_of_fold import cross_fit
from components.evaluation.retrieval import rank_partners

FRACTIONS = (0.4, 0.6, 0.8, 1.0)


class Noisy(SmallWorld):
    """Rows of one hidden world under noise that leaves some pairs hard to find."""

    def __init__(self, seed: int, *, pairs: int = 60, heldout: int = 500, noise: float = 2.0) -> None:
        rng = np.random.default_rng(seed)
        sizes = np.cumsum([400, 400, pairs])
        hidden = rng.normal(size=(sizes[2] + heldout, 10))
        x, y = (
            (hidden @ np.random.default_rng(s).normal(size=(10, 16)) + noise * rng.normal(size=(len(hidden), 16)))
            for s in (1, 2)
        )
        x, y = x.astype(np.float32), y.astype(np.float32)
        a, b, c = sizes
        self.left, self.right = x[:a], y[a:b]
        self.pairs, self.new = Pairs(x[b:c], y[b:c]), Pairs(x[c:], y[c:])


def estimated(world: SmallWorld, gallery: int, **settings: object) -> LearningCurve:
    found = cross_fit(RidgeMap(ridges=(0.5,)), world.left, world.right, world.pairs, seed=0, fractions=FRACTIONS)
    return learning_curve(found[-1], found, (gallery, gallery), further=[60], seed=0, **settings)  # type: ignore[arg-type]


def measured(world: SmallWorld, pairs: Pairs, k: int) -> float:
    fitted = RidgeMap(ridges=(0.5,)).fit(world.left, world.right, pairs)
    left, right = fitted.transform_left(world.new.left), fitted.transform_right(world.new.right)
    return float(np.mean([rank_partners(a, b).rank <= k for a, b in ((left, right), (right, left))]))


def test_interval_holds_the_held_out_recall_in_most_of_twenty_worlds() -> None:
    inside = {1: 0, 5: 0, 10: 0}
    off = []
    for seed in range(20):
        world = Noisy(seed)
        found = estimated(world, 500)
        for k, growth in found.growths.items():
            truth = measured(world, world.pairs, k)
            inside[k] += growth.now.low <= truth <= growth.now.high
            off.append(growth.now.mean - truth)
    assert all(hits >= 16 for hits in inside.values()), inside
    assert abs(np.mean(off)) < 0.04  # no habit of promising too much or too little


def test_gain_of_more_pairs_is_foreseen() -> None:
    """Mean over worlds of the gain foreseen from 60 pairs on, against fits on 120."""
    foreseen, came = [], []
    for seed in range(8):
        world = Noisy(seed, pairs=120)
        more = world.pairs
        world.pairs = more.take(np.arange(60))
        foreseen.append(estimated(world, 500).growths[10].more[60].mean)
        came.append(measured(world, more, 10) - measured(world, world.pairs, 10))
    assert np.mean(foreseen) == pytest.approx(np.mean(came), abs=0.05)
    assert np.mean(foreseen) > 0.02


def test_shuffled_pairs_promise_chance_only() -> None:
    world = Noisy(0)
    order = np.roll(np.arange(len(world.pairs)), 1)
    world.pairs = Pairs(world.pairs.left, world.pairs.right[order])
    found = estimated(world, 500)
    assert found.growths[10].now.mean < 0.08  # chance: .02
    assert found.growths[10].more[60].mean < 0.06


def test_recall_falls_with_the_gallery_and_grows_with_k() -> None:
    world = Noisy(1)
    small, large = estimated(world, 200), estimated(world, 5000)
    for k in (1, 5, 10):
        assert small.growths[k].now.mean > large.growths[k].now.mean
    assert large.growths[1].now.mean < large.growths[5].now.mean < large.growths[10].now.mean


def test_no_interval_is_narrower_than_that_of_as_many_queries() -> None:
    for growth in estimated(Noisy(2), 500).growths.values():
        low, high = wilson_interval(60 * growth.now.mean, 60)
        assert growth.now.low <= low and growth.now.high >= high


def test_a_cheaper_method_may_stand_in_for_the_slope() -> None:
    world = Noisy(3)
    own = cross_fit(RidgeMap(ridges=(0.5,)), world.left, world.right, world.pairs, seed=0)[0]
    other = cross_fit(Procrustes(), world.left, world.right, world.pairs, seed=0, fractions=FRACTIONS)
    found = learning_curve(own, other, (500, 500), further=[50], seed=0)
    assert found.growths[10].now.mean == pytest.approx(measured(world, world.pairs, 10), abs=0.15)


def test_same_seed_same_numbers_and_plain_json() -> None:
    a, b = (estimated(Noisy(4), 500).to_json() for _ in range(2))
    assert a == b and set(a) == {"sizes", "slope", "R@1", "R@5", "R@10"}
    assert a["R@10"]["now"]["low"] <= a["R@10"]["now"]["value"] <= a["R@10"]["now"]["high"] <= 100


def test_advice_is_a_sentence_with_its_interval() -> None:
    text = estimated(Noisy(5), 500).advice(60)
    assert text.startswith("With 60 more known pairs, about ") and "95 % interval" in text and text.endswith(".")
