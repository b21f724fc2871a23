"""Out-of-fold scores of the known pairs: the aligner is fitted without a fold and scores it among unpaired distractors.

What a user wants to know about her matches is learned from these scores alone; no held-out pair is looked at.
Letters: ``P`` pairs, ``T`` held-out pairs of a fold, ``U1, U2`` distractors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from components.alignment.nested import NUM_FOLDS, Block
from components.alignment.protocol import Aligner, Alignment, Pairs
from components.alignment.selection import Fold, make_folds
from components.alignment.tuned import Ground, make_ground
from components.errors import UserError
from components.files import Folder

FEWEST_PAIRS = 10
ENOUGH_PAIRS = 300
FILE = "out-of-fold.safetensors"


@dataclass(frozen=True)
class OutOfFold:
    """Scores of known pairs by fits that did not see them.

    Attributes:
        blocks: one per fold; their rows count the judged pairs from 0, fold by fold.
        num_pairs: known pairs.
        num_fit: pairs that each fit was given (mean over folds).
    """

    blocks: tuple[Block, ...]
    num_pairs: int
    num_fit: float

    @property
    def num_judged(self) -> int:
        return sum(b.num_test for b in self.blocks)

    def spread(self) -> float:
        """Standard deviation of scores between rows that do not belong together (mean over folds)."""
        return float(np.mean([b.extra().std(dtype=np.float64) for b in self.blocks]))


def cross_fit(
    aligner: Aligner,
    left: np.ndarray,
    right: np.ndarray,
    pairs: Pairs,
    *,
    seed: int,
    fractions: Sequence[float] = (1.0,),
    distractors: int = 0,
) -> list[OutOfFold]:
    """Fit ``aligner`` without a fold and score the fold, until all pairs or at least 300 were judged.

    Args:
        aligner: any; it chooses its hyperparameters inside each fit.
        left, right: unpaired rows [N1, D1], [N2, D2] without the pairs' items. A quarter of them, at most 600, are kept
            from the fits and serve as distractors.
        pairs: the known pairs, at least 10.
        seed: of folds, distractors and subsets.
        fractions: of a fit's pairs that it is given, nested subsets: a learning curve. One result for each.
        distractors: take so many rows a side as distractors, the fits' own unpaired rows too. Right for methods that
            learn from pairs only; the more distractors, the less has to be extrapolated.

    Raises:
        UserError: fewer than 10 pairs, or what the aligner refuses.
    """
    if len(pairs) < FEWEST_PAIRS:
        raise UserError(f"{len(pairs)} pairs are too few to judge matches by", do=f"give at least {FEWEST_PAIRS} pairs")
    ground = make_ground(left, right, seed=seed)
    extra = _distractors(ground, distractors)
    blocks: list[list[Block]] = [[] for _ in fractions]
    sizes: list[list[int]] = [[] for _ in fractions]
    for number, fold in enumerate(_enough(make_folds(len(pairs), seed, NUM_FOLDS))):
        order = np.random.default_rng([seed, number]).permutation(fold.train)
        for n, fraction in enumerate(fractions):
            train = np.sort(order[: max(2, round(fraction * len(order)))])
            fitted = aligner.fit(ground.inner.left, ground.inner.right, pairs.take(train))
            blocks[n].append(Block(_scores(fitted, pairs.take(fold.test), *extra), fold.test))
            sizes[n].append(len(train))
    return [OutOfFold(_counted(b), len(pairs), float(np.mean(s))) for b, s in zip(blocks, sizes, strict=True)]


def save_blocks(folder: Folder, blocks: Sequence[Block]) -> None:
    """Write ``out-of-fold.safetensors``: blocks of folds that were made by :func:`make_folds` with ``NUM_FOLDS``."""
    tensors = {f"{part}.{n}": getattr(b, part) for n, b in enumerate(blocks) for part in ("scores", "rows")}
    folder.write_tensors(FILE, tensors)


def load_blocks(folder: Folder) -> OutOfFold:
    """Read what :func:`save_blocks` wrote, as :func:`cross_fit` would give it."""
    tensors = folder.read_tensors(FILE)
    blocks = [Block(tensors[f"scores.{n}"], tensors[f"rows.{n}"]) for n in range(len(tensors) // 2)]
    num_pairs = sum(b.num_test for b in blocks)
    used = _enough(blocks)
    return OutOfFold(_counted(used), num_pairs, float(np.mean([num_pairs - b.num_test for b in used])))


F = TypeVar("F", Fold, Block)


def _enough(folds: Sequence[F]) -> list[F]:
    """The first folds that hold enough pairs."""
    sizes = np.array([f.num_test if isinstance(f, Block) else len(f.test) for f in folds])
    before = np.cumsum(sizes) - sizes
    return [f for f, n in zip(folds, before, strict=True) if n < ENOUGH_PAIRS]


def _counted(blocks: Sequence[Block]) -> tuple[Block, ...]:
    starts = np.cumsum([0] + [b.num_test for b in blocks])
    return tuple(Block(b.scores, s + np.arange(b.num_test)) for b, s in zip(blocks, starts, strict=False))


def _distractors(ground: Ground, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows kept from the fits and, if that is not enough, evenly spaced ones of the others."""
    left = _with_more(ground.left_extra, ground.inner.left, wanted)
    return left, _with_more(ground.right_extra, ground.inner.right, wanted)


def _with_more(rows: np.ndarray, others: np.ndarray, wanted: int) -> np.ndarray:
    missing = min(wanted - len(rows), len(others))
    if missing <= 0:
        return rows
    return np.concatenate([rows, others[np.linspace(0, len(others) - 1, missing).astype(int)]])


def _scores(fitted: Alignment, test: Pairs, left_extra: np.ndarray, right_extra: np.ndarray) -> np.ndarray:
    """[T + U1, T + U2]."""
    left = fitted.transform_left(np.concatenate([test.left, left_extra]))
    right = fitted.transform_right(np.concatenate([test.right, right_extra]))
    return np.asarray(left @ right.T)
