"""Confidence of matches: calibrated on new pairs, in galleries of other sizes; near chance for shuffled pairs."""

import json

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Aligner, Pairs
from components.alignment.ridge_map import RidgeMap
from components.evaluation.calibration import Reliability, reliability
from components.evaluation.confidence import Confidence, fit_confidence, judge_first
from components.evaluation.out_of_fold import cross_fit

SIZES = (250, 500, 2000)


def calibrated(world: SmallWorld, aligner: Aligner, slope: float = 1.0) -> Confidence:
    """For the fit on all pairs. ``slope``: growth of the log odds with log pairs, about as learning curves find it."""
    (scores,) = cross_fit(aligner, world.left, world.right, world.pairs, seed=0, distractors=600)
    fitted = aligner.fit(world.left, world.right, world.pairs)
    between = fitted.score(world.left[:500], world.right[:500])
    grown = slope * np.log(scores.num_pairs / scores.num_fit)
    return fit_confidence(scores, seed=0).with_spread(float(between.std())).shifted(float(grown))


def judged(world: SmallWorld, aligner: Aligner, model: Confidence, size: int) -> Reliability:
    """Of the first matches of half a gallery's queries, both directions, in a gallery of ``size`` new items."""
    fitted = aligner.fit(world.left, world.right, world.pairs)
    left, right = fitted.transform_left(world.new.left[:size]), fitted.transform_right(world.new.right[:size])
    num, found = min(size // 2, 300), []
    for queries, gallery in ((left, right), (right, left)):
        scores = queries[:num] @ gallery.T
        found.append(judge_first(model, scores, gallery[scores.argmax(axis=1)] @ queries.T))
    return reliability(*(np.concatenate(part) for part in zip(*found, strict=True)))


@pytest.mark.parametrize(
    ("kind", "aligner", "pairs"),
    [("linear", RidgeMap(ridges=(0.1,)), 60), ("linear", Procrustes(), 40), ("curved", RidgeMap(ridges=(0.5,)), 80)],
    ids=["ridge", "procrustes", "curved"],
)
def test_calibrated_on_new_pairs_in_galleries_of_any_size(kind: str, aligner: Aligner, pairs: int) -> None:
    found: dict[int, list[Reliability]] = {size: [] for size in SIZES}
    for seed in range(5):
        world = SmallWorld(kind, unpaired=800, pairs=pairs, heldout=2000, seed=seed)
        model = calibrated(world, aligner)
        for size in SIZES:
            found[size].append(judged(world, aligner, model, size))
    for size, results in found.items():
        mean = np.mean([r.mean for r in results])
        rate = np.mean([r.rate for r in results])
        assert mean == pytest.approx(rate, abs=0.09), size
        assert np.mean([r.ece for r in results]) < 0.12, size
        # better than always saying the base rate, which a user does not even know
        assert np.mean([r.brier for r in results]) < np.mean([r.brier_base for r in results]) + 0.002, size


def test_shuffled_pairs_give_confidence_near_chance() -> None:
    world = SmallWorld("linear", unpaired=800, heldout=500)
    world.pairs = Pairs(world.pairs.left, np.roll(world.pairs.right, 1, axis=0))
    aligner = RidgeMap(ridges=(0.5,))
    found = judged(world, aligner, calibrated(world, aligner), 500)
    assert found.mean < 0.03 and found.rate < 0.03


def test_unrelated_corpora_give_confidence_near_chance() -> None:
    world = SmallWorld("noise", unpaired=800, heldout=500)
    assert judged(world, Procrustes(), calibrated(world, Procrustes()), 500).mean < 0.03


MODEL = Confidence(temperature=4.0, spread=0.5, constant=-1.0, row=0.9, column=0.3, num_pairs=50, gallery=300.0)


def test_confidence_falls_as_the_gallery_grows_and_as_rivals_come_near() -> None:
    rng = np.random.default_rng(0)
    near, column = np.array([0]), rng.normal(size=(1, 100)) * 0.3
    first = [MODEL.judge(np.r_[2.0, rng.normal(size=n) * 0.3], near, column).confidence[0] for n in (50, 500, 5000)]
    assert first[0] > first[1] > first[2]
    alone = MODEL.judge(np.array([2.0, 0.0, 0.0]), near, column).confidence[0]
    rival = MODEL.judge(np.array([2.0, 1.9, 0.0]), near, column).confidence[0]
    assert rival < alone


def test_a_hub_is_trusted_less() -> None:
    scores, best = np.array([1.0, 1.0, -1.0]), np.array([0, 1])
    columns = np.array([[1.0, -1.0, -1.0, -1.0], [1.0, 0.9, 0.9, 0.9]])
    wanted, hub = MODEL.judge(scores, best, columns).confidence
    assert wanted > hub


def test_mutual_is_exact_and_does_not_depend_on_the_query_being_a_row() -> None:
    scores, best = np.array([0.5, 0.4]), np.array([0, 1])
    columns = np.array([[0.2, 0.1], [0.2, 0.7]])
    with_query = np.c_[columns, scores[best]]
    a, b = MODEL.judge(scores, best, columns), MODEL.judge(scores, best, with_query)
    assert a.mutual.tolist() == b.mutual.tolist() == [True, False]
    assert a.confidence == pytest.approx(b.confidence)


def test_shift_and_json() -> None:
    again = Confidence.from_json(json.loads(json.dumps(MODEL.to_json())))
    assert again == MODEL
    assert MODEL.shifted(0.3).constant == pytest.approx(-0.7) and MODEL.with_spread(2.0).spread == 2.0


def test_same_seed_same_model() -> None:
    world = SmallWorld("linear", unpaired=400)
    assert calibrated(world, Procrustes()) == calibrated(world, Procrustes())
