"""Nested cross-validation: no pair enters a fit that is scored on it, blocks are what a fit by hand gives."""

from __future__ import annotations

import numpy as np
from few_pair_worlds import SmallWorld

from components.alignment.nested import Block, nested, rank_pairs, tune
from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_map import RidgeMap, fit_path
from components.alignment.selection import make_folds
from components.alignment.tuned import Family, Unpaired, make_ground, raw_family
from components.transforms import Linear

WORLD = SmallWorld("linear", unpaired=120, pairs=30)
GROUND = make_ground(WORLD.left, WORLD.right, seed=0)


def test_ground_keeps_distractors_out_of_the_rows_to_learn_from() -> None:
    assert len(GROUND.left_extra) == 30 and len(GROUND.inner.left) == 90
    both = np.concatenate([GROUND.inner.left, GROUND.left_extra])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(WORLD.left, axis=0))
    empty = make_ground(WORLD.left[:0], WORLD.right, seed=0)
    assert len(empty.left_extra) == 0 and len(empty.right_extra) == 30


def test_blocks_equal_fits_on_the_other_folds() -> None:
    tuned = nested(RidgeMap(ridges=(0.5,)).family, GROUND, WORLD.pairs, seed=3)
    for block, fold in zip(tuned.blocks, make_folds(30, 3, 5), strict=True):
        np.testing.assert_array_equal(block.rows, fold.test)
        fitted = fit_path(WORLD.pairs.take(fold.train))(0.5)
        rows = np.concatenate([WORLD.pairs.left[fold.test], GROUND.left_extra])
        columns = np.concatenate([WORLD.pairs.right[fold.test], GROUND.right_extra])
        np.testing.assert_allclose(block.scores, fitted.score(rows, columns), atol=1e-5)


def test_no_pair_is_seen_by_a_fit_that_is_scored_on_it() -> None:
    """A method that memorises: 1 for partners it was fitted on, 0 otherwise. Out of fold it must know nothing."""
    seen: list[int] = []

    def family(world: Unpaired, dims: tuple[int, int]) -> Family:
        def fit(pairs: Pairs):  # type: ignore[no-untyped-def]
            seen.append(len(pairs))
            return lambda sharp: Alignment(_Lookup(pairs.left, sharp), _Lookup(pairs.right, sharp))

        return raw_family(dims, (1.0, 2.0), ("sharp",), fit)

    tuned = nested(family, GROUND, WORLD.pairs, seed=0)
    for block in tuned.blocks:
        assert not block.scores.any()
    assert set(seen) == {18, 24, 30}  # three, four and all five fifths
    assert rank_pairs(tuned.blocks).recall(1).max() == 0  # ties are averaged
    assert tuned.inner.score(WORLD.pairs.left[:1], WORLD.pairs.right[:1]) > 0  # while fitted pairs are known


class _Lookup(Linear):
    kind = "test-lookup"

    def __init__(self, known: np.ndarray, sharp: float) -> None:
        self.known, self.sharp = known, sharp

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.sharp * (x[:, None] == self.known[None]).all(axis=2).astype(np.float32)


def test_the_better_candidate_is_chosen_inside_and_outside() -> None:
    make = RidgeMap(ridges=(1e6, 0.5)).family  # an absurd ridge only shrinks; its cosines stay, so take a mixture
    tuned = tune(make, GROUND, WORLD.pairs, seed=0)
    scores = {row["ridge"]: row["score"] for row in tuned.inner.diagnostics["cv"]}
    assert tuned.inner.diagnostics["ridge"] == max(scores, key=lambda r: scores[r])


def test_ranks_of_a_block_by_hand() -> None:
    scores = np.array([[0.9, 0.1, 0.95], [0.3, 0.3, 0.2], [0.99, 0.0, 0.0]])
    ranks = rank_pairs((Block(scores, np.array([1, 0])),))
    np.testing.assert_array_equal(ranks.forth, [1.5, 2.0])  # pair 1 is row 0: behind the distractor; pair 0 ties
    np.testing.assert_array_equal(ranks.back, [1.0, 2.0])
    np.testing.assert_allclose(ranks.score[1], -np.log(3))
    np.testing.assert_array_equal(ranks.recall(1), [0.5, 0.0])


def test_same_seed_same_blocks_and_other_seed_other_folds() -> None:
    make = RidgeMap(ridges=(0.5,)).family
    a, b, c = (nested(make, GROUND, WORLD.pairs, seed=s).blocks for s in (0, 0, 1))
    np.testing.assert_array_equal(a[0].scores, b[0].scores)
    assert not np.array_equal(a[0].rows, c[0].rows)
