"""The bench of the bridge: its worlds are what they say, its numbers what they are called."""

import numpy as np
import pytest
from bridge_recipe_world import metrics_of, write_bridge_world

from components.bridging.training import CriticTraining
from pipelines.bench.bridge import emoji
from pipelines.bench.bridge.didactic import Plan, make_world
from pipelines.bench.bridge.kernel import _range, _speed, measure_memory
from pipelines.bench.bridge.runs import recall_of_32, summary
from pipelines.home import Home
from pipelines.recipe import load_any_recipe

TINY = Plan(pairs=400, heldout=200, training=CriticTraining())


def correlation(x, y):
    return np.abs(np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :]).mean()


def test_in_the_dependent_world_b_knows_nothing_of_a_and_c_but_they_know_each_other():
    usual, dependent = (make_world(TINY, 0, dependent=d) for d in (False, True))
    for world in (usual, dependent):
        assert correlation(world.a, world.c) > 0.15
    noise = correlation(usual.a, np.random.default_rng(0).normal(size=(200, 16)))
    assert correlation(usual.ab.left, usual.ab.right) > 0.15
    assert correlation(dependent.ab.left, dependent.ab.right) < 1.5 * noise
    assert correlation(dependent.bc.left, dependent.bc.right) < 1.5 * noise


def test_recall_of_32_is_chance_for_noise_and_one_for_the_truth():
    scores = np.random.default_rng(0).normal(size=(300, 300))
    assert recall_of_32(scores) == pytest.approx(1 / 32, abs=0.02)
    assert recall_of_32(np.eye(300)) == 1


def test_summaries_have_means_and_intervals():
    found = summary([{"mc": 0.9}, {"mc": 0.8}, {"mc": 1.0}])
    assert found["mc"] == pytest.approx(0.9) and found["seeds"] == 3
    assert found["mc_ci95"][0] < 0.9 < found["mc_ci95"][1] <= 1.0


def test_kernel_numbers_of_a_small_sum():
    assert _speed(16, 600)["max_abs_error"] < 1e-10
    far = _range(16, 2_000)
    assert far["finite"] and far["max_abs_error"] < 1e-9 and far["bare_exponentials_lost_cells"] > 0.5
    found = measure_memory(40, 2_000, 1 << 24)
    assert found["finite"] and found["extrapolated_seconds"] > 0


def test_emoji_part_runs_a_recipe_and_tells_its_recalls(tmp_path):
    world = write_bridge_world(tmp_path / "world")
    home = Home.open(tmp_path / "home")
    found = emoji.run_one(str(world.recipe), home, ("estimators=[smoothed]", *emoji.SETTINGS))
    written = metrics_of(home.path)["retrieval"]["monte-carlo (aligned)"]["mean"]
    assert found["bridge"] == written["R@10"] / 100 > 0.5 > found["shuffled_pairs"]
    assert found["bridge_r1"] == written["R@1"] / 100 < found["bridge"]
    assert found["bridge_over_oracle"] == found["bridge"] / found["oracle"]
    assert found["chance"] == pytest.approx(10 / 40)
    with pytest.raises(RuntimeError, match="pairs"):
        emoji.run_one(str(world.recipe), home, ("budgets.ab=100000", *emoji.SETTINGS, "estimators=[smoothed]"))


def test_emoji_part_is_the_recipe_without_trained_heads():
    ours, recipe = (load_any_recipe(emoji.RECIPE, s).model_dump() for s in (emoji.SETTINGS, ()))
    ours["critics"]["train"], ours["bridge"]["sizes"] = recipe["critics"]["train"], recipe["bridge"]["sizes"]
    assert ours == recipe
