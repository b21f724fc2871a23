"""The bench of the bridge: its worlds are what they say, its numbers what they are called."""

import numpy as np
import pytest

from components.bridging.training import CriticTraining
from pipelines.bench.bridge.didactic import Plan, make_world
from pipelines.bench.bridge.emoji import _judged_and_pool, run_one
from pipelines.bench.bridge.kernel import _range, _speed, measure_memory
from pipelines.bench.bridge.runs import recall_of_32, summary

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


def test_emoji_run_goes_through_the_bridge():
    rng = np.random.default_rng(0)
    b = rng.normal(size=(480, 6))
    noisy = {name: b + 0.2 * rng.normal(size=b.shape) for name in ("picture", "minilm", "en", "both")}
    rows = {k: (v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32) for k, v in noisy.items()}
    rows |= {"ja": rows["en"]}
    found = run_one(rows, 0)
    assert found["bridge"] > 0.5 and found["english_japanese"] > 0.95
    judged, pool = _judged_and_pool(480)
    assert not set(judged) & set(pool) and len(judged) == 120
