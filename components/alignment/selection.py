"""Choice of hyperparameters on the known pairs alone: k-fold cross-validation with unpaired distractors.

Score of a candidate: -mean log(1 + rank) of the held-out partner among the held-out partners and a fixed sample of
unpaired rows, both directions. The distractors give resolution when a fold has only ten pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.sampling import sample_rows
from components.errors import UserError
from components.evaluation.retrieval import rank_partners

C = TypeVar("C")
MAX_DISTRACTORS = 600

# Fits what all candidates of a fold share (a decomposition) and returns the map from candidate to alignment.
FoldFit = Callable[[Pairs], Callable[[C], Alignment]]


@dataclass(frozen=True)
class Fold:
    """Rows of the pairs to fit on and rows to score."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Selection(Generic[C]):
    """The best candidate and the score of each (higher is better; -log 2 means always first).

    Attributes:
        best: the candidate of the highest mean score; of equals the first.
        scores: mean score per candidate.
    """

    best: C
    scores: tuple[float, ...]


def make_folds(num_pairs: int, seed: int, num_folds: int | None = None) -> list[Fold]:
    """Seeded folds over ``num_pairs`` pairs; by default 5 up to 100 pairs and 3 above, never more than pairs.

    Raises:
        UserError: fewer than two pairs.
    """
    if num_pairs < 2:
        raise UserError(f"{num_pairs} pairs cannot be cross-validated", do="give at least 2 pairs")
    count = min(num_folds or (5 if num_pairs <= 100 else 3), num_pairs)
    order = np.random.default_rng(seed).permutation(num_pairs)
    return [Fold(np.sort(np.setdiff1d(order, part)), np.sort(part)) for part in np.array_split(order, count)]


def cross_validate(
    candidates: Sequence[C], fit: FoldFit[C], left: np.ndarray, right: np.ndarray, pairs: Pairs, *, seed: int
) -> Selection[C]:
    """Score every candidate on every fold.

    Args:
        candidates: in order of preference: of equal scores the first wins.
        fit: fits one fold's training pairs.
        left, right: unpaired rows [N1, D1], [N2, D2] or none, at most 600 of which serve as distractors. They must not
            hold the partners of the pairs, or a true match would compete with itself.
        pairs: the known pairs.
        seed: of folds and distractors.
    """
    rng = np.random.default_rng(seed)
    left_extra = sample_rows(left, MAX_DISTRACTORS, rng) if len(left) else pairs.left[:0]
    right_extra = sample_rows(right, MAX_DISTRACTORS, rng) if len(right) else pairs.right[:0]
    columns: list[list[np.ndarray]] = [[] for _ in candidates]
    for fold in make_folds(len(pairs), seed):
        build, test = fit(pairs.take(fold.train)), pairs.take(fold.test)
        for column, candidate in zip(columns, candidates, strict=True):
            column.append(_fold_score(build(candidate), test, left_extra, right_extra))
    table = np.array([np.concatenate(column) for column in columns])  # [candidates, pairs]
    means = table.mean(axis=1)
    return Selection(candidates[int(np.argmax(np.round(means, 9)))], tuple(float(m) for m in means))


def at_most(pairs: Pairs, limit: int, seed: int) -> Pairs:
    """All pairs, or a seeded sample of ``limit`` of them for methods whose cost grows faster than linearly."""
    if len(pairs) <= limit:
        return pairs
    return pairs.take(np.sort(np.random.default_rng(seed).choice(len(pairs), limit, replace=False)))


def _fold_score(alignment: Alignment, test: Pairs, left_extra: np.ndarray, right_extra: np.ndarray) -> np.ndarray:
    left, right = alignment.transform_left(test.left), alignment.transform_right(test.right)
    forth = rank_partners(left, np.concatenate([right, alignment.transform_right(right_extra)]))
    back = rank_partners(right, np.concatenate([left, alignment.transform_left(left_extra)]))
    return -(np.log1p(forth.rank) + np.log1p(back.rank)) / 2
