"""How likely a match is right: calibrated on out-of-fold scores of the known pairs, valid in galleries of any size.

Two pieces of evidence about a query and a candidate, both from scores s in units of the spread of unpaired scores:

* row: log odds of the candidate among all rows that the query could belong to, softmax(t s). The temperature t is the
  one under which the true partners are likeliest. A gallery of N rows has N - 1 rivals in it, so the odds fall as it
  grows.
* column: how far the query stands above the rows of its own side as the candidate sees them,
  t s - log mean exp(t s'). Hubs, which are near everything, have little of it.

log odds of being right = c + u row + v column, fitted by logistic regression on the best candidates of every pair,
also in thinned galleries, so that u holds across sizes. Stated for a partner that is somewhere in the gallery, and for
rows without a known partner: who has one cannot be another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from components.alignment.nested import Block
from components.evaluation.out_of_fold import OutOfFold
from components.evaluation.retrieval import TIE

TOP = 10
THINNED = 0.25  # of the distractors, for a second, smaller gallery
_TEMPERATURES = (-4.0, 5.0)  # bounds of log t
_CERTAIN = 1e-9


@dataclass(frozen=True)
class Judged:
    """What is known about the best candidates of one query.

    Attributes:
        confidence: probability that the candidate is the query's partner. [k]
        mutual: whether no other row of the query's side is closer to the candidate. [k]
    """

    confidence: np.ndarray
    mutual: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """The fitted calibration.

    Attributes:
        temperature: t, of scores over ``spread``.
        spread: standard deviation of scores between rows that do not belong together.
        constant, row, column: c, u, v.
        num_pairs: pairs that it was learned from.
        gallery: rows in the galleries that it was learned in (mean); further away it is carried by the model.
    """

    temperature: float
    spread: float
    constant: float
    row: float
    column: float
    num_pairs: int
    gallery: float

    def judge(self, scores: np.ndarray, best: np.ndarray, columns: np.ndarray) -> Judged:
        """Judge the candidates ``best`` [k] of a query.

        Args:
            scores: of the query against all rows that may be its partner. [N]
            best: places in ``scores``.
            columns: scores of each of them against the rows of the query's side. [k, M] The query may be among them.
        """
        evidence = _evidence(scores, best, columns, self.temperature / self.spread)
        logit = self.constant + self.row * evidence[0] + self.column * evidence[1]
        rivals = columns.max(axis=1, initial=-np.inf)
        return Judged(1 / (1 + np.exp(-logit)), scores[best] >= rivals - TIE)

    def with_spread(self, spread: float) -> Confidence:
        """The same for a fit whose scores have another spread."""
        return replace(self, spread=spread)

    def shifted(self, logit: float) -> Confidence:
        """The same for fits that find more: log odds higher by ``logit``."""
        return replace(self, constant=self.constant + logit)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Confidence:
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})


def fit_confidence(out_of_fold: OutOfFold, *, seed: int) -> Confidence:
    """Learn the calibration from the known pairs; ``seed`` is that of the thinned galleries."""
    from sklearn.linear_model import LogisticRegression

    spread = max(out_of_fold.spread(), _CERTAIN)
    heat = _temperature(out_of_fold.blocks, spread)
    rng = np.random.default_rng(seed)
    galleries = [*out_of_fold.blocks, *(_thinned(b, rng) for b in out_of_fold.blocks)]
    examples = [_examples(side, b.num_test, heat / spread) for b in galleries for side in (b.scores, b.scores.T)]
    evidence = np.concatenate([e for e, _ in examples])
    right = np.concatenate([r for _, r in examples])
    constant, row, column = -20.0, 0.0, 0.0  # no partner among anybody's best: no match is ever right
    if right.any():
        fitted = LogisticRegression().fit(evidence, right)
        constant, (row, column) = float(fitted.intercept_[0]), fitted.coef_[0]
    return Confidence(
        temperature=heat,
        spread=spread,
        constant=constant,
        row=float(row),
        column=float(column),
        num_pairs=out_of_fold.num_pairs,
        gallery=float(np.mean([sum(b.scores.shape) / 2 for b in out_of_fold.blocks])),
    )


def judge_first(model: Confidence, scores: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of the first match of every query, and whether it is right.

    Args:
        scores: of the queries against the gallery, row t's partner in column t. [T, N]
        columns: of every query's first match against the rows of the query's side. [T, M]
    """
    best = scores.argmax(axis=1)
    found = [model.judge(scores[t], best[t : t + 1], columns[t : t + 1]) for t in range(len(scores))]
    return np.array([f.confidence[0] for f in found]), best == np.arange(len(scores))


def _temperature(blocks: tuple[Block, ...], spread: float) -> float:
    """t of the highest likelihood of the true partners under softmax(t s / spread), both directions."""
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    sides = [(s / spread, b.num_test) for b in blocks for s in (b.scores, b.scores.T)]

    def loss(log_t: float) -> float:
        t = np.exp(log_t)
        return float(sum((logsumexp(t * s[:n], axis=1) - t * np.diagonal(s)[:n]).sum() for s, n in sides))

    return float(np.exp(minimize_scalar(loss, bounds=_TEMPERATURES, method="bounded").x))


def _thinned(block: Block, rng: np.random.Generator) -> Block:
    keep = [_some(block.num_test, size, rng) for size in block.scores.shape]
    return Block(block.scores[np.ix_(*keep)], block.rows)


def _some(num_test: int, size: int, rng: np.random.Generator) -> np.ndarray:
    extra = size - num_test
    chosen = rng.choice(extra, round(THINNED * extra), replace=False)
    return np.concatenate([np.arange(num_test), num_test + np.sort(chosen)])


def _examples(scores: np.ndarray, num_test: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Evidence of the best candidates of every held-out query, and which are right. [T * k, 2], [T * k]"""
    top = min(TOP, scores.shape[1])
    best = np.argpartition(-scores[:num_test], top - 1, axis=1)[:, :top]
    used, place = np.unique(best, return_inverse=True)
    place = place.reshape(best.shape)
    above = _log_mean_exp(scale * scores[:, used].T)  # once per candidate, not per query
    found = []
    for t in range(num_test):
        own = scale * scores[t, best[t]]
        found.append(np.stack([_log_odds(scale * scores[t], own), own - above[place[t]]], axis=1))
    return np.concatenate(found), (best == np.arange(num_test)[:, None]).reshape(-1)


def _evidence(scores: np.ndarray, best: np.ndarray, columns: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Row and column evidence of the candidates ``best`` [k]."""
    own = scores[best]
    missing = ~(np.abs(columns - own[:, None]) <= TIE).any(axis=1)  # the query is no row of its side: it joins them
    sizes = columns.shape[1] + missing
    above = _log_mean_exp(scale * columns) + np.log(columns.shape[1])
    above = np.where(missing, np.logaddexp(above, scale * own), above) - np.log(sizes)
    return _log_odds(scale * scores, scale * own), scale * own - above


def _log_odds(scaled: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Log odds of each of ``own`` [k] under the softmax of ``scaled`` [N] that they are among. [k]"""
    top = scaled.max()
    log_share = own - top - np.log(np.exp(scaled - top).sum())
    rest = np.maximum(-np.expm1(log_share), _CERTAIN)
    return np.asarray(log_share - np.log(rest))


def _log_mean_exp(scaled: np.ndarray) -> np.ndarray:
    """Of every row of [k, M]. [k]"""
    top = scaled.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(scaled - top).mean(axis=1)))
