"""Ensembles: sums of scores are one dot product; blocks add up fold by fold."""

import numpy as np
import pytest

from components.alignment.ensemble import combine, spread_of, sum_blocks
from components.alignment.nested import Block
from components.alignment.protocol import Alignment
from components.transforms import Linear

rng = np.random.default_rng(0)
MEMBERS = [
    Alignment(Linear(np.zeros(5), rng.normal(size=(5, k))), Linear(np.zeros(4), rng.normal(size=(4, k))))
    for k in (2, 3, 6)
]
LEFT, RIGHT = rng.normal(size=(7, 5)), rng.normal(size=(8, 4))


def test_score_is_the_weighted_sum_and_members_of_weight_zero_cost_nothing() -> None:
    both = combine(MEMBERS, [0.5, 0.0, 2.0])
    expected = 0.5 * MEMBERS[0].score(LEFT, RIGHT) + 2 * MEMBERS[2].score(LEFT, RIGHT)
    np.testing.assert_allclose(both.score(LEFT, RIGHT), expected, atol=1e-5)
    assert both.transform_left(LEFT).shape == (7, 8)


def test_negative_and_empty_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        combine(MEMBERS, [1.0, -1.0, 1.0])
    with pytest.raises(ValueError, match="positive weight"):
        combine(MEMBERS, [0.0, 0.0, 0.0])


def test_blocks_are_scaled_by_the_spread_of_distractors() -> None:
    a, b = (Block(rng.normal(size=(6, 7)) * s, np.array([0, 1])) for s in (1.0, 50.0))
    total = sum_blocks([[a], [b]], [[1.0, 3.0]])[0]
    expected = a.scores / a.scores[2:, 2:].std() + 3 * b.scores / b.scores[2:, 2:].std()
    np.testing.assert_allclose(total.scores, expected)
    np.testing.assert_array_equal(total.rows, [0, 1])


def test_spread_is_the_deviation_of_scores() -> None:
    assert spread_of(MEMBERS[0], LEFT, RIGHT) == pytest.approx(float(MEMBERS[0].score(LEFT, RIGHT).std()))
    still = Alignment(Linear(np.zeros(5), np.zeros((5, 1))), Linear(np.zeros(4), np.zeros((4, 1))))
    assert spread_of(still, LEFT, RIGHT) == 1.0
