"""Self-training: plans with the right marginals, zero rounds equal the base, a gate that opens and closes."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.self_training import SelfTraining, sinkhorn_plan
from components.alignment.semi_cca import SemiCCA
from components.errors import UserError


def test_plan_has_uniform_marginals_and_agrees_with_pot() -> None:
    import ot

    scores = np.random.default_rng(0).normal(size=(12, 9))
    plan = sinkhorn_plan(scores, 0.5, steps=500)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 9, atol=1e-12)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 12, atol=1e-8)
    expected = ot.sinkhorn(np.full(12, 1 / 12), np.full(9, 1 / 9), -scores, 0.5, stopThr=1e-13)
    np.testing.assert_allclose(plan, expected, atol=1e-9)


def test_zero_rounds_are_semi_supervised_cca() -> None:
    world = SmallWorld("linear", pairs=30)
    args = (world.left, world.right, world.pairs)
    a = SelfTraining(rounds=(0,), shrinkages=(0.5,)).fit(*args)
    b = SemiCCA(shrinkages=(0.5,), gammas=(1.0,)).fit(*args)
    np.testing.assert_allclose(a.score(world.new.left, world.new.right), b.score(world.new.left, world.new.right))


def test_rounds_pay_with_few_pairs_on_a_shared_geometry_and_stay_closed_on_noise() -> None:
    gains = []
    for seed in range(3):
        world = SmallWorld("linear", unpaired=500, pairs=12, seed=seed)
        args = (world.left, world.right, world.pairs)
        base = SelfTraining(rounds=(0,), shrinkages=(0.5,)).fit(*args)
        gains.append(world.foscttm(base) - world.foscttm(SelfTraining(shrinkages=(0.5,)).fit(*args)))
    assert np.mean(gains) > 0
    noise = SmallWorld("noise")
    fitted = SelfTraining().fit(noise.left, noise.right, noise.pairs)
    assert abs(noise.foscttm(fitted) - 0.5) < 0.1


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match="weight"):
        SelfTraining(weight=1.5)
