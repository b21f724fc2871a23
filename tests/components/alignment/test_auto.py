"""Auto: the right kind of method in every world, a guard, controls at chance, and reasons that can be read."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.auto import Auto, AutoResult, choose
from components.alignment.candidate_files import load_candidate, load_views, save_candidate, save_views
from components.alignment.candidates import CANDIDATES, LINEAR, fit_candidate
from components.alignment.options import BANK, advantage
from components.alignment.protocol import Pairs
from components.alignment.tuned import make_ground, with_views
from components.errors import UserError
from components.files import Folder

QUICK = ("procrustes", "kernel-ridge", "fused-csa", "functional-map")


@cache
def run(kind: str, candidates: tuple[str, ...] = QUICK, seed: int = 0, **sizes: int) -> tuple[SmallWorld, AutoResult]:
    world = SmallWorld(kind, seed=seed, **sizes)
    return world, Auto(candidates=candidates, seed=seed).run(world.left, world.right, world.pairs)


def best_linear(world: SmallWorld) -> float:
    args = (world.left, world.right, world.pairs)
    return min(world.foscttm(fit_candidate(name, *args, seed=0).alignment) for name in ("procrustes", "ridge-map"))


def test_curved_world_gets_the_graph_and_beats_linear_maps_by_far() -> None:
    world, result = run("curved", pairs=25)
    spectral = sum(w for name, w in result.weights.items() if CANDIDATES[name].spectral)
    assert spectral > 0.5 * sum(result.weights.values())
    assert world.foscttm(result.alignment) < 0.5 * best_linear(world)


def test_linear_world_is_never_worse_than_the_best_linear_map_by_more_than_noise() -> None:
    behind = []
    for seed in range(2):
        world, result = run("linear", seed=seed)
        behind.append(world.foscttm(result.alignment) - best_linear(world))
    assert np.mean(behind) < 0.005


def test_a_perfectly_linear_world_gets_a_simple_map() -> None:
    rng = np.random.default_rng(0)
    z, turn = rng.normal(size=(400, 12)), np.linalg.qr(rng.normal(size=(12, 12)))[0]
    pairs = Pairs(z[:60], z[:60] @ turn)
    result = Auto(candidates=QUICK).run(z[60:200], z[200:] @ turn, pairs)
    assert result.chosen in LINEAR and "adds nothing" in result.reason


def test_noise_stays_at_chance_and_claims_nothing() -> None:
    world, result = run("noise")
    assert abs(world.foscttm(result.alignment) - 0.5) < 0.1
    row = next(r for r in result.table if r.name == result.chosen)
    assert row.recall[10] < 3 * 100 * 10 / row.gallery


def test_wrong_partners_that_no_sum_can_tell_leave_a_linear_map() -> None:
    world = SmallWorld("linear", unpaired=200, pairs=40)
    wrong = Pairs(world.pairs.left, np.roll(world.pairs.right, 1, axis=0))
    result = Auto(candidates=("procrustes", "kernel-ridge")).run(world.left, world.right, wrong)
    assert result.chosen == "procrustes" and "stack" not in [row.name for row in result.table]


def test_table_reason_and_diagnostics_tell_the_choice() -> None:
    _, result = run("curved", pairs=25)
    names = [row.name for row in result.table]
    assert {*QUICK, "stack", "fixed-sum", "stack+bank", "procrustes+bank"} <= set(names)
    assert [row.score for row in result.table] == sorted((row.score for row in result.table), reverse=True)
    assert result.chosen in result.reason and result.alignment.diagnostics["chosen"] == result.chosen
    assert result.alignment.diagnostics["table"][0]["name"] == names[0]
    assert len(result.cv.forth) == 25
    linear = next(r for r in result.table if r.name in LINEAR)
    assert linear.ahead == (0.0, 0.0)


def test_order_of_unpaired_rows_and_of_sides_hardly_matter() -> None:
    world, result = run("curved", pairs=25)
    swapped = Auto(candidates=QUICK).run(world.right, world.left, Pairs(world.pairs.right, world.pairs.left))
    there = result.alignment.score(world.new.left, world.new.right)
    back = swapped.alignment.score(world.new.right, world.new.left).T
    assert np.corrcoef(there.ravel(), back.ravel())[0, 1] > 0.95


def test_candidates_fitted_apart_and_read_from_disk_give_the_same_choice(tmp_path) -> None:  # type: ignore[no-untyped-def]
    world, result = run("curved", pairs=25)
    ground = with_views(make_ground(world.left, world.right, seed=0))
    save_views(Folder.at(tmp_path / "views").make(), ground.full.spectral())
    views = load_views(Folder.at(tmp_path / "views"))
    fits = []
    for name in QUICK:
        folder = Folder.at(tmp_path / name).make()
        save_candidate(folder, fit_candidate(name, world.left, world.right, world.pairs, seed=0, ground=ground))
        fits.append(load_candidate(folder, views))
    again = choose(fits, world.left, world.right, seed=0)
    assert again.chosen == result.chosen and again.weights == pytest.approx(result.weights)
    np.testing.assert_allclose(
        again.alignment.score(world.new.left, world.new.right),
        result.alignment.score(world.new.left, world.new.right),
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="needs the spectral views"):
        load_candidate(Folder.at(tmp_path / "fused-csa"))


def test_few_unpaired_rows_leave_the_graph_out_and_few_pairs_the_comparison() -> None:
    world = SmallWorld("linear", unpaired=30)
    result = Auto(candidates=QUICK).run(world.left, world.right, world.pairs)
    assert (
        set(result.skipped) == {"fused-csa", "functional-map"} and "too few for a graph" in result.skipped["fused-csa"]
    )
    none = Auto(candidates=("procrustes", "kernel-ridge")).run(world.left[:0], world.right[:0], world.pairs)
    assert world.foscttm(none.alignment) < 0.05
    tiny = Auto().run(world.left, world.right, world.pairs.take(np.arange(6)))
    assert tiny.chosen == "procrustes" and "6 pairs are too few" in tiny.reason


def test_unknown_candidates_and_a_pool_without_linear_maps_are_refused() -> None:
    with pytest.raises(UserError, match="'warp' is not allowed"):
        Auto(candidates=("warp",))
    world = SmallWorld("linear")
    with pytest.raises(UserError, match="no simple linear map"):
        Auto(candidates=("kernel-ridge",)).run(world.left, world.right, world.pairs)


def test_bank_is_taken_from_unpaired_rows_only() -> None:
    world, result = run("curved", pairs=25)
    if result.chosen.endswith(BANK):
        bank = result.alignment.left.parts[-1].bank  # type: ignore[attr-defined]
        assert len(bank) == len(world.right)
    a, b = (fit_candidate("csa", world.left, world.right, world.pairs, seed=0).cv for _ in range(2))
    assert advantage(a, b) == (0.0, 0.0)
