"""Nested cross-validation of a family on the known pairs, with unpaired distractors.

Outer folds judge, inner folds choose the hyperparameters, and no pair enters a fit that is scored on it. A model fitted
without folds f and h serves both as inner model of f (scored on h) and of h (scored on f), which halves the cost.
Letters: ``P`` pairs, ``T`` held-out pairs of a fold, ``U1, U2`` distractors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.selection import make_folds
from components.alignment.tuned import Build, Candidate, Family, Ground, MakeFamily, on_encoder_rows, on_rows
from components.alignment.views import Views
from components.evaluation.retrieval import TIE

NUM_FOLDS = 5


@dataclass(frozen=True)
class Block:
    """Scores of one fold.

    Attributes:
        scores: held-out pairs first, then distractors, on both sides; row t belongs to column t for t < T.
            [T + U1, T + U2]
        rows: which pairs were held out. [T]
    """

    scores: np.ndarray
    rows: np.ndarray

    @property
    def num_test(self) -> int:
        return len(self.rows)

    def extra(self) -> np.ndarray:
        """Scores of distractors against distractors, [U1, U2]; of all rows if there are no distractors."""
        inner = self.scores[self.num_test :, self.num_test :]
        return inner if inner.size else self.scores


@dataclass(frozen=True)
class PairScores:
    """Out-of-fold standing of every pair. ``forth``, ``back``: rank of the partner (1 is best, ties averaged). [P]

    Attributes:
        gallery: mean number of rows that were ranked.
    """

    forth: np.ndarray
    back: np.ndarray
    gallery: float

    @property
    def score(self) -> np.ndarray:
        """-log(1 + rank), mean of both directions; -log 2 is best. [P]"""
        return -(np.log1p(self.forth) + np.log1p(self.back)) / 2

    def recall(self, k: int) -> np.ndarray:
        """Whether the partner was within the first ``k``, mean of both directions. [P]"""
        return ((self.forth <= k).astype(float) + (self.back <= k)) / 2


@dataclass(frozen=True)
class Tuned:
    """A family fitted on all pairs with the hyperparameters that cross-validation chose.

    Attributes:
        alignment: of the encoders' rows; diagnostics hold the choice and the ``cv`` table.
        inner: the same, of the rows of ``views``.
        views: those of all unpaired rows.
        blocks: out-of-fold scores, hyperparameters chosen inside each fold; none if only tuned.
    """

    alignment: Alignment
    inner: Alignment
    views: Views
    blocks: tuple[Block, ...] = ()


def tune(make: MakeFamily, ground: Ground, pairs: Pairs, *, seed: int) -> Tuned:
    """Choose among the family's grid by plain cross-validation and fit on all pairs; ``blocks`` stay empty."""
    dims = (pairs.left.shape[1], pairs.right.shape[1])
    family = make(ground.full, dims)
    if len(family.grid) == 1:
        return _refit(family, pairs, 0, ())
    scores = tuple(float(s) for s in _Run(make(ground.inner, dims), ground, pairs, seed).single_out.mean(axis=1))
    return _refit(family, pairs, int(np.argmax(np.round(scores, 9))), scores)


def nested(make: MakeFamily, ground: Ground, pairs: Pairs, *, seed: int) -> Tuned:
    """Judge the family by nested cross-validation and fit it on all pairs.

    Args:
        make: the method's :meth:`TunedAligner.family`.
        ground: unpaired rows and distractors; none of the pairs' items are among them.
        pairs: the known pairs; three fifths of them must be enough for the method.
        seed: of the folds; equal seeds give all families the same ones.
    """
    run = _Run(make(ground.inner, (pairs.left.shape[1], pairs.right.shape[1])), ground, pairs, seed)
    tuned = tune(make, ground, pairs, seed=seed)
    return replace(tuned, blocks=tuple(run.blocks()))


def rank_pairs(blocks: tuple[Block, ...]) -> PairScores:
    """Ranks of all held-out partners among the rows of their fold."""
    num = sum(b.num_test for b in blocks)
    forth, back = np.zeros(num), np.zeros(num)
    for b in blocks:
        forth[b.rows], back[b.rows] = _ranks(b.scores, b.num_test), _ranks(b.scores.T, b.num_test)
    sizes = [sum(b.scores.shape) / 2 for b in blocks for _ in b.rows]
    return PairScores(forth, back, float(np.mean(sizes)))


class _Run:
    """One family on one set of pairs: features once, then fits of every subset of folds that is asked for."""

    def __init__(self, family: Family, ground: Ground, pairs: Pairs, seed: int) -> None:
        self.family, self.num_pairs = family, len(pairs)
        self.folds = make_folds(len(pairs), seed, NUM_FOLDS)
        self.pairs = _features(family, pairs.left, pairs.right)
        left, right = ground.left_extra, ground.right_extra
        self.extra = _features(family, left if len(left) else pairs.left[:0], right if len(right) else pairs.right[:0])

    @cached_property
    def single_out(self) -> np.ndarray:
        """Score of every candidate on every pair, fitted without the pair's fold. [candidates, P]"""
        table = np.zeros((len(self.family.grid), self.num_pairs))
        for fold in self.folds:
            for n, candidate, fitted in self.fits(fold.train):
                table[n, fold.test] = self.scores_of(candidate, fitted, fold.test)
        return table

    def blocks(self) -> Iterator[Block]:
        choices = self.choices()
        for fold, chosen in zip(self.folds, choices, strict=True):
            candidate = self.family.grid[chosen]
            fitted = self.path(candidate.variant, fold.train)(candidate.params)
            yield Block(self.block(candidate, fitted, fold.test), fold.test)

    def choices(self) -> list[int]:
        """The candidate that the inner folds choose for each outer fold."""
        if len(self.family.grid) == 1:
            return [0] * len(self.folds)
        sums = np.zeros((len(self.folds), len(self.family.grid)))
        for f, h in combinations(range(len(self.folds)), 2):
            without = [self.folds[f].test, self.folds[h].test]
            train = np.setdiff1d(np.arange(self.num_pairs), np.concatenate(without))
            for n, candidate, fitted in self.fits(train):
                sums[f, n] += self.scores_of(candidate, fitted, without[1]).sum()
                sums[h, n] += self.scores_of(candidate, fitted, without[0]).sum()
        return [int(np.argmax(np.round(row, 6))) for row in sums]

    def fits(self, train: np.ndarray) -> Iterator[tuple[int, Candidate, Alignment]]:
        paths: dict[int, Build] = {}
        for n, candidate in enumerate(self.family.grid):
            if candidate.variant not in paths:
                paths[candidate.variant] = self.path(candidate.variant, train)
            yield n, candidate, paths[candidate.variant](candidate.params)

    def path(self, variant: int, train: np.ndarray) -> Build:
        left, right = self.pairs[variant]
        return self.family.path(variant, Pairs(left[train], right[train]))

    def block(self, candidate: Candidate, fitted: Alignment, test: np.ndarray) -> np.ndarray:
        left, right = self.sides(candidate.variant, test)
        return fitted.left(left) @ fitted.right(right).T

    def scores_of(self, candidate: Candidate, fitted: Alignment, test: np.ndarray) -> np.ndarray:
        """As of ``block``, without the distractors against each other, which only ensembles need."""
        left, right = self.sides(candidate.variant, test)
        a, b = fitted.left(left), fitted.right(right)
        forth, back = _ranks(a[: len(test)] @ b.T, len(test)), _ranks(b[: len(test)] @ a.T, len(test))
        return -(np.log1p(forth) + np.log1p(back)) / 2

    def sides(self, variant: int, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (left, right), (left_extra, right_extra) = self.pairs[variant], self.extra[variant]
        return np.concatenate([left[test], left_extra]), np.concatenate([right[test], right_extra])


def _refit(family: Family, pairs: Pairs, best: int, scores: tuple[float, ...]) -> Tuned:
    """Candidate number ``best`` on all pairs."""
    candidate = family.grid[best]
    features = Pairs(*_features(family, pairs.left, pairs.right, (candidate.variant,))[0])
    fitted = on_rows(family, candidate, family.path(candidate.variant, features)(candidate.params))
    cv = [{**family.describe(c), "score": s} for c, s in zip(family.grid, scores, strict=False)]
    inner = Alignment(fitted.left, fitted.right, {**fitted.diagnostics, **({"cv": cv} if cv else {})})
    return Tuned(on_encoder_rows(family.views, inner), inner, family.views)


def _features(
    family: Family, left: np.ndarray, right: np.ndarray, variants: Sequence[int] | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features of both sides' rows for each variant."""
    wanted = range(len(family.variants)) if variants is None else variants
    a, b = family.views.left.map(left), family.views.right.map(right)
    return [(family.variants[n].left(a), family.variants[n].right(b)) for n in wanted]


def _ranks(scores: np.ndarray, num_test: int) -> np.ndarray:
    """Rank of column t for row t < ``num_test``, ties averaged. [T]"""
    scores = scores[:num_test]
    truth = scores[np.arange(num_test), np.arange(num_test)][:, None]
    ties = (np.abs(scores - truth) <= TIE).sum(axis=1) - 1
    ranks: np.ndarray = 1 + (scores > truth + TIE).sum(axis=1) + ties / 2
    return ranks
