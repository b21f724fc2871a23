"""Self-training: plans with the right marginals, zero rounds equal the base, a gate that opens and closes."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.self_training import SelfTraining, soft_matches
from components.alignment.semi_cca import SemiCCA
from components.errors import UserError


def test_soft_matches_are_pots_plans() -> None:
    import ot

    scores = np.random.default_rng(0).normal(size=(12, 9)) / 4
    rows, columns = np.full(12, 1 / 12), np.full(9, 1 / 9)
    np.testing.assert_allclose(
        soft_matches(scores, 0.5, None), ot.sinkhorn(rows, columns, -scores, 0.5, stopThr=1e-13), atol=1e-5
    )
    soft = ot.unbalanced.sinkhorn_unbalanced(rows, columns, -scores, 0.5, 0.3, reg_type="entropy", stopThr=1e-13)
    np.testing.assert_allclose(soft_matches(scores, 0.5, 0.3), soft / soft.sum(), atol=1e-4)


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


def test_more_rounds_go_on_from_fewer_and_an_unbalanced_plan_helps_as_well() -> None:
    world = SmallWorld("linear", unpaired=500, pairs=12)
    args = (world.left, world.right, world.pairs)
    base = world.foscttm(SelfTraining(rounds=(0,), shrinkages=(0.5,)).fit(*args))
    for rho in (None, 0.1):
        fitted = SelfTraining(shrinkages=(0.5,), rho=rho).fit(*args)
        assert [row["rounds"] for row in fitted.diagnostics["cv"]] == [0, 1, 2, 3, 4]
        assert world.foscttm(fitted) <= base + 1e-3
    empty = SelfTraining(shrinkages=(0.5,)).fit(args[0][:0], args[1][:0], args[2])
    assert len({row["score"] for row in empty.diagnostics["cv"]}) == 1  # nothing to match


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match="weight"):
        SelfTraining(weight=1.5)
