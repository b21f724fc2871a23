"""Cross-validation on pairs: folds partition them, the score is what it says, the planted candidate wins."""

import numpy as np
import pytest

from components.alignment.protocol import Alignment, Pairs
from components.alignment.selection import at_most, cross_validate, make_folds
from components.errors import UserError
from components.transforms import Chain, Identity, Linear, UnitRows


@pytest.mark.parametrize(("num_pairs", "folds"), [(2, 2), (3, 3), (50, 5), (100, 5), (101, 3)])
def test_folds_partition_the_pairs(num_pairs: int, folds: int) -> None:
    made = make_folds(num_pairs, seed=0)
    assert len(made) == folds
    np.testing.assert_array_equal(np.sort(np.concatenate([f.test for f in made])), np.arange(num_pairs))
    for fold in made:
        assert not set(fold.train) & set(fold.test) and len(fold.train) + len(fold.test) == num_pairs


def test_one_pair_is_refused() -> None:
    with pytest.raises(UserError, match="cross-validated"):
        make_folds(1, seed=0)


def _rotate(angle: float) -> Alignment:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Alignment(Chain([Linear(np.zeros(2), turn), UnitRows()]), UnitRows())


def test_the_true_rotation_wins_whatever_the_order() -> None:
    rng = np.random.default_rng(0)
    x, extra = rng.normal(size=(30, 2)), rng.normal(size=(200, 2))
    turn = 1.0
    y = _rotate(turn).transform_left(x)
    for candidates in ([0.0, 1.0, 2.0], [2.0, 1.0, 0.0]):
        chosen = cross_validate(candidates, lambda fold: _rotate, extra, extra, Pairs(x, y), seed=1)
        assert chosen.best == turn
        assert max(chosen.scores) == chosen.scores[candidates.index(turn)]
        assert chosen.scores[candidates.index(turn)] == pytest.approx(-np.log(2), abs=0.02)  # first but for near-ties


def test_ties_go_to_the_first_candidate_and_training_never_sees_the_fold() -> None:
    rng = np.random.default_rng(0)
    pairs = Pairs(np.arange(20.0)[:, None] + 1, rng.normal(size=(20, 1)))
    seen: list[set[float]] = []

    def fit(fold: Pairs):  # type: ignore[no-untyped-def]
        seen.append(set(fold.left[:, 0]))
        return lambda candidate: Alignment(Identity(), Identity())

    chosen = cross_validate(["a", "b"], fit, pairs.left[:0], pairs.right[:0], pairs, seed=0)
    assert chosen.best == "a" and chosen.scores[0] == chosen.scores[1]
    assert [len(s) for s in seen] == [16] * 5


def test_score_counts_unpaired_rows_as_competitors() -> None:
    x = np.eye(4)
    pairs = Pairs(x, x)
    decoys = np.repeat(np.ones((1, 4)) / 2 * 3, 7, axis=0)  # dot product 1.5 with every query: all rank above the truth
    fit = lambda fold: lambda candidate: Alignment(Identity(), Identity())  # noqa: E731
    alone = cross_validate([0], fit, x[:0], x[:0], pairs, seed=0)
    crowded = cross_validate([0], fit, decoys, decoys, pairs, seed=0)
    assert alone.scores[0] == pytest.approx(-np.log(2))
    assert crowded.scores[0] == pytest.approx(-np.log(1 + 8))


def test_sample_of_pairs_keeps_rows_together() -> None:
    pairs = Pairs(np.arange(50.0)[:, None], np.arange(50.0)[:, None] * 2)
    some = at_most(pairs, 10, seed=3)
    assert len(some) == 10
    np.testing.assert_array_equal(some.right, some.left * 2)
    assert at_most(pairs, 50, seed=3) is pairs
