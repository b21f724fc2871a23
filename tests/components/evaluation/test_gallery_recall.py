"""Recall in galleries of other sizes, against a truth that is known."""

import numpy as np
import pytest

from components.alignment.nested import Block
from components.evaluation.gallery_recall import beaten_rates, recall_in_part


def planted(num_pairs: int, gallery: int, seed: int) -> tuple[Block, np.ndarray]:
    """Pairs whose partner is beaten by a random row with a rate of its own, drawn from Beta(.4, 3)."""
    rng = np.random.default_rng(seed)
    rates = rng.beta(0.4, 3, size=num_pairs)
    scores = rng.uniform(size=(gallery, gallery))
    scores[np.arange(num_pairs), np.arange(num_pairs)] = 1 - rates
    return Block(scores, np.arange(num_pairs)), rates


@pytest.mark.parametrize("gallery", [100, 400, 4000])
def test_recall_is_carried_to_another_gallery(gallery: int) -> None:
    block, rates = planted(300, 600, seed=0)
    found = beaten_rates((block,))
    for k in (1, 5, 10):
        # among N rows with beating rate p the partner is within k with probability P(Binomial(N - 1, p) < k)
        draws = np.random.default_rng(1).binomial(gallery - 1, rates[:, None], size=(300, 200))
        assert found.recall(k, (gallery, gallery)).mean() == pytest.approx((draws < k).mean(), abs=0.035)


def test_measured_gallery_is_reproduced() -> None:
    block, _ = planted(300, 600, seed=2)
    found = beaten_rates((block,))
    assert found.recall(10, (600, 600)).mean() == pytest.approx((found.ranks <= 10).mean(), abs=0.02)


def test_random_scores_give_chance() -> None:
    scores = np.random.default_rng(0).normal(size=(400, 400))
    found = beaten_rates((Block(scores, np.arange(100)),))
    assert found.recall(10, (2000, 2000)).mean() == pytest.approx(0.005, abs=0.005)
    assert found.recall(1, (2000, 2000)).mean() < 0.003


def test_directions_have_their_own_gallery() -> None:
    block, _ = planted(100, 300, seed=3)
    found = beaten_rates((block,))
    small, large, mixed = (found.recall(5, g).mean() for g in ((100, 100), (9000, 9000), (100, 9000)))
    assert small > mixed > large


def test_everything_is_found_in_a_gallery_of_k() -> None:
    block, _ = planted(50, 200, seed=4)
    found = beaten_rates((block,))
    assert found.recall(10, (10, 10)) == pytest.approx(1.0)


def test_many_answers_join_on_to_few() -> None:
    """Above 64 answers a closed form is used."""
    block, _ = planted(200, 600, seed=5)
    found = beaten_rates((block,))
    values = [found.recall(k, (5000, 5000)).mean() for k in (60, 64, 65, 70)]
    assert (np.diff(values) > 0).all() and values[2] - values[1] < 0.01


def test_recall_in_a_part_of_the_gallery_is_what_random_parts_give():
    rng, ranks = np.random.default_rng(0), np.array([1.0, 2.0, 5.0, 20.0])
    expected = recall_in_part(ranks, 6, 20)
    others = np.stack([rng.permutation(19)[:5] for _ in range(20_000)])  # the r - 1 first of them beat the partner
    drawn = [1 - (others < r - 1).any(axis=1).mean() for r in ranks]
    np.testing.assert_allclose(expected, drawn, atol=0.012)
    np.testing.assert_allclose(recall_in_part(ranks, 20, 20), ranks == 1)
    assert recall_in_part(np.array([1.5]), 20, 20)[0] == 0.5
    np.testing.assert_allclose(recall_in_part(ranks, 1, 20), 1)
    with pytest.raises(ValueError, match="part of 21"):
        recall_in_part(ranks, 21, 20)
