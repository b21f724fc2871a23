"""Stacking: the informative member gets the weight, no fold's pairs have a say in their own weights."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from components.alignment.nested import Block, rank_pairs
from components.alignment.stack import _loss, stack

rng = np.random.default_rng(0)


def member(signal: float, seed: int, *, folds: int = 4, size: int = 10, extra: int = 60) -> list[Block]:
    own = np.random.default_rng(seed)
    blocks = []
    for f in range(folds):
        scores = own.normal(size=(size + extra, size + extra))
        scores[np.arange(size), np.arange(size)] += signal
        blocks.append(Block(scores, np.arange(f * size, (f + 1) * size)))
    return blocks


def test_gradient_is_that_of_the_loss() -> None:
    queries = [rng.normal(size=(3, 5, 9)), rng.normal(size=(3, 4, 9))]
    args = (queries, np.array([1.0, 0.0, 0.5]), 0.3)
    error = check_grad(
        lambda w: _loss(w, *args)[0], lambda w: _loss(w, *args)[1], np.array([0.4, 0.2, 0.9]), epsilon=1e-3
    )
    assert error < 1e-2  # logits are float32


def test_weight_goes_where_the_signal_is_and_the_sum_beats_its_members() -> None:
    good, fair, noise = member(3.0, 1), member(2.0, 2), member(0.0, 3)
    found = stack([good, fair, noise], np.array([1.0, 1.0, 1.0]))
    assert found.weights[0] > found.weights[1] > found.weights[2] >= 0
    best = max(rank_pairs(tuple(m)).score.mean() for m in (good, fair))
    assert rank_pairs(found.blocks).score.mean() > best


def test_all_noise_stays_at_chance_out_of_fold() -> None:
    found = stack([member(0.0, s) for s in range(4)], np.ones(4))
    recall = rank_pairs(found.blocks).recall(10).mean()
    assert recall == pytest.approx(10 / 70, abs=0.09)


def test_few_pairs_stay_near_the_fixed_sum() -> None:
    few = [member(2.5, s, folds=2, size=3) for s in range(3)]
    many = [member(2.5 if s < 2 else 0.0, s, folds=5, size=60) for s in range(3)]
    prior = np.array([0.0, 0.0, 1.0])
    share = [w[2] / w.sum() for w in (stack(few, prior).weights, stack(many, prior).weights)]
    assert share[0] > share[1]
