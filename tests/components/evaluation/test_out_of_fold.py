"""Out-of-fold scores: every pair once, by a fit without it; nested subsets; blocks on disk."""

from pathlib import Path

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.nested import rank_pairs
from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Alignment, Pairs
from components.errors import UserError
from components.evaluation.out_of_fold import cross_fit, load_blocks, save_blocks
from components.files import Folder


class Recorder:
    """Procrustes that remembers which pairs it was given."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        self.seen.append(pairs.left)
        return Procrustes().fit(left, right, pairs)


def test_every_pair_is_judged_once_by_a_fit_without_it() -> None:
    world, recorder = SmallWorld("linear"), Recorder()
    (found,) = cross_fit(recorder, world.left, world.right, world.pairs, seed=0)
    assert len(recorder.seen) == 5 and found.num_fit == 48
    assert sorted(np.concatenate([b.rows for b in found.blocks])) == list(range(60))
    fitted = np.concatenate([np.isin(world.pairs.left[:, 0], seen[:, 0]) for seen in recorder.seen])
    assert fitted.sum() == 5 * 48 and (fitted.reshape(5, 60).sum(axis=0) == 4).all()


def test_subsets_are_nested_and_grow() -> None:
    world, recorder = SmallWorld("linear"), Recorder()
    found = cross_fit(recorder, world.left, world.right, world.pairs, seed=0, fractions=(0.25, 0.5, 1.0))
    assert [o.num_fit for o in found] == [12, 24, 48]
    small, half, whole = (set(map(tuple, s)) for s in recorder.seen[:3])
    assert small < half < whole


def test_more_distractors_on_request() -> None:
    world = SmallWorld("linear")
    few, many = (
        cross_fit(Procrustes(), world.left, world.right, world.pairs, seed=0, distractors=n)[0] for n in (0, 200)
    )
    assert few.blocks[0].scores.shape == (12 + 75, 12 + 75) and many.blocks[0].scores.shape == (12 + 200, 12 + 200)
    assert few.spread() == pytest.approx(many.spread(), rel=0.2)


def test_enough_pairs_are_enough() -> None:
    world, recorder = SmallWorld("linear", unpaired=100, pairs=1000, heldout=2), Recorder()
    (found,) = cross_fit(recorder, world.left, world.right, world.pairs, seed=0)
    assert len(recorder.seen) == 2 and found.num_judged == 400 and found.num_pairs == 1000 and found.num_fit == 800


def test_same_seed_same_scores() -> None:
    world = SmallWorld("linear")
    a, b = (cross_fit(Procrustes(), world.left, world.right, world.pairs, seed=3)[0] for _ in range(2))
    assert all((x.scores == y.scores).all() for x, y in zip(a.blocks, b.blocks, strict=True))


def test_too_few_pairs_are_refused() -> None:
    world = SmallWorld("linear", pairs=9)
    with pytest.raises(UserError, match="at least 10"):
        cross_fit(Procrustes(), world.left, world.right, world.pairs, seed=0)


def test_blocks_come_back_from_disk(tmp_path: Path) -> None:
    world = SmallWorld("linear")
    (found,) = cross_fit(Procrustes(), world.left, world.right, world.pairs, seed=0)
    save_blocks(Folder.at(tmp_path), found.blocks)
    back = load_blocks(Folder.at(tmp_path))
    assert (back.num_pairs, back.num_fit) == (found.num_pairs, found.num_fit)
    assert (rank_pairs(back.blocks).forth == rank_pairs(found.blocks).forth).all()
