"""Fused Gromov-Wasserstein: POT's coupling, pairs that stay partners, weight 0 = the pairs alone, the gate."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.fused_gromov import RIDGE, SHARPNESS, FusedGromov, distances, match, seeded_cost
from components.alignment.kernel_ridge import KernelRidge
from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Pairs
from components.errors import UserError
from components.transforms import unit_rows

WORLD = SmallWorld("linear", pairs=20)
ROWS = (WORLD.left, WORLD.right, WORLD.pairs)


def test_planted_permutation_is_found_from_shape_and_a_few_seeds() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    order = np.concatenate([np.arange(4), 4 + rng.permutation(36)])
    turned = (x @ np.linalg.qr(rng.normal(size=(6, 6)))[0])[np.argsort(order)]
    cost = seeded_cost(np.zeros((40, 40)), 4)  # nothing is known but the first four partners
    plan = match(cost, distances(x, True), distances(turned, True), 0.5)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 40, atol=1e-9)
    assert (plan.argmax(axis=1) == order).mean() > 0.9


def test_without_shapes_it_is_exact_transport() -> None:
    import ot

    cost = np.random.default_rng(0).uniform(size=(12, 9))
    p, q = np.full(12, 1 / 12), np.full(9, 1 / 9)
    np.testing.assert_allclose(match(cost, np.ones((12, 12)), np.ones((9, 9)), 0.0), ot.emd(p, q, cost), atol=1e-9)


def test_partners_cost_nothing_and_only_partners() -> None:
    cost = seeded_cost(np.random.default_rng(0).uniform(-1, 1, size=(6, 5)), 2)
    assert cost[0, 0] == cost[1, 1] == 0 and cost.mean() == pytest.approx(1)
    assert (cost[0, 1:] == cost.max()).all() and (cost[2:, 1] == cost.max()).all()


def test_distances_have_mean_one_and_forget_scale_and_rotation() -> None:
    x = np.random.default_rng(0).normal(size=(20, 5))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    for diffusion in (False, True):
        assert distances(x, diffusion).mean() == pytest.approx(1)
        np.testing.assert_allclose(distances(3 * x @ turn, diffusion), distances(x, diffusion), atol=1e-6)


def test_weight_zero_is_the_map_of_the_pairs_alone() -> None:
    fitted = [FusedGromov(weights=(0.0,), maps=(kind,)).fit(*ROWS) for kind in ("kernel-ridge", "procrustes")]
    unit = Pairs(unit_rows(WORLD.pairs.left), unit_rows(WORLD.pairs.right))
    alone = [KernelRidge(sharpness=(SHARPNESS,), ridges=(RIDGE,)).fit(*ROWS), Procrustes().fit(*ROWS[:2], unit)]
    new = WORLD.new
    for a, b in zip(fitted, alone, strict=True):
        np.testing.assert_allclose(a.score(new.left, new.right), b.score(new.left, new.right), atol=1e-3)


@pytest.mark.parametrize("kind", ["cosine", "diffusion"])
def test_matches_pay_on_a_shared_geometry(kind: str) -> None:
    gains = []
    for seed in range(2):
        world = SmallWorld("clusters", unpaired=400, pairs=20, seed=seed)
        args = (world.left, world.right, world.pairs)
        base = FusedGromov(weights=(0.0,)).fit(*args)
        gains.append(world.foscttm(base) - world.foscttm(FusedGromov(distances=kind).fit(*args)))  # type: ignore[arg-type]
    assert np.mean(gains) > 0.02


def test_noise_stays_at_chance_and_no_unpaired_rows_leave_the_pairs_alone() -> None:
    noise = SmallWorld("noise")
    assert abs(noise.foscttm(FusedGromov().fit(noise.left, noise.right, noise.pairs)) - 0.5) < 0.1
    fitted = FusedGromov().fit(WORLD.left[:0], WORLD.right[:0], WORLD.pairs)
    assert fitted.diagnostics["found"] == 0 and WORLD.foscttm(fitted) < 0.1


@pytest.mark.parametrize("bad", [{"landmarks": 1001}, {"weights": (0.6,)}, {"maps": ()}, {"distances": "far"}])
def test_settings_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(bad))):
        FusedGromov(**bad)  # type: ignore[arg-type]
