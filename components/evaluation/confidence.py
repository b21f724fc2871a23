"""How likely a match is right: calibrated on out-of-fold scores of the known pairs, valid in galleries of any size.

Two pieces of evidence about a query and a candidate, both from scores s in units of the spread of unpaired scores:

* row: how far the candidate stands above the others among which the query looks: its log odds under softmax(t s), times
  the number N of rows. The temperature t is the one under which the true partners are likeliest.
* column: how far the query stands above the rows of its own side as the candidate sees them,
  t s - log mean exp(t s'). Hubs, which are near everything, have little of it.

log odds of being right = c - log N + u row + v column: logistic regression on the best candidates of every pair, in
whole and in thinned galleries. That the odds fall as 1/N was found, not only assumed: a free exponent came out between
.9 and 1.1 on four corpora and extrapolated no better. Stated for a partner that is somewhere in the gallery, and for
rows without a known partner: who has one cannot be another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
_PULL = 1e-3  # on the constant, which would run away if no match at all were right


@dataclass(frozen=True)
class Judged:
    """What is known about the best candidates of one query.

    Attributes:
        confidence: probability that the candidate is the query's partner. [k]
        mutual: whether no other row of the query's side is closer to the candidate. [k]
    """

    confidence: np.ndarray
    mutual: np.ndarray


@dataclass(frozen=True)
class Counts:
    """How many rows each score stands for, where only some of the scores are known: ``row`` [N], ``columns`` [k, M]."""

    row: np.ndarray
    columns: np.ndarray


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

    def judge(
        self, scores: np.ndarray, best: np.ndarray, columns: np.ndarray, *, counts: Counts | None = None
    ) -> Judged:
        """Judge the candidates ``best`` [k] of a query.

        Args:
            scores: of the query against all rows that may be its partner. [N]
            best: places in ``scores``.
            columns: scores of each of them against the rows of the query's side. [k, M] The query may be among them.
            counts: rows that each score stands for, if ``scores`` and ``columns`` are the highest and a sample of the
                others; None: one each.
        """
        counts = counts or Counts(np.broadcast_to(1.0, scores.shape), np.broadcast_to(1.0, columns.shape))
        evidence = _evidence(scores, best, columns, self.temperature / self.spread, counts)
        logit = self.constant - np.log(counts.row.sum()) + self.row * evidence[0] + self.column * evidence[1]
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
    spread = max(out_of_fold.spread(), _CERTAIN)
    heat = fit_temperature(out_of_fold.blocks, spread)
    rng = np.random.default_rng(seed)
    galleries = [*out_of_fold.blocks, *(_thinned(b, rng) for b in out_of_fold.blocks)]
    examples = [_examples(side, b.num_test, heat / spread) for b in galleries for side in (b.scores, b.scores.T)]
    constant, row, column = _regress(examples)
    return Confidence(
        temperature=heat,
        spread=spread,
        constant=constant,
        row=row,
        column=column,
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


@dataclass(frozen=True)
class _Examples:
    """Candidates of one gallery: evidence [n, 2], which are right [n], log N."""

    evidence: np.ndarray
    right: np.ndarray
    log_rows: float


def _regress(examples: list[_Examples]) -> tuple[float, float, float]:
    """(c, u, v) of the highest likelihood, u and v with a standard normal prior; -log N enters as it is."""
    from scipy.optimize import minimize

    evidence = np.concatenate([e.evidence for e in examples])
    right = np.concatenate([e.right for e in examples])
    offset = -np.concatenate([np.full(len(e.right), e.log_rows) for e in examples])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        logit = offset + w[0] + evidence @ w[1:]
        wrong = 1 / (1 + np.exp(-logit)) - right
        prior = np.array([0.0, w[1], w[2]]) + _PULL * np.array([w[0], 0.0, 0.0])
        value = (np.logaddexp(0, logit) - right * logit).sum() + (w[1:] ** 2).sum() / 2 + _PULL * w[0] ** 2 / 2
        return float(value), np.concatenate([[wrong.sum()], wrong @ evidence]) + prior

    c, u, v = minimize(loss, np.zeros(3), jac=True, method="L-BFGS-B").x
    return float(c), float(u), float(v)


def fit_temperature(blocks: Sequence[Block], spread: float) -> float:
    """t of the highest likelihood of the true partners under softmax(t s / spread), both directions."""
    from scipy.optimize import minimize_scalar

    return float(
        np.exp(
            minimize_scalar(
                lambda log_t: partner_loss(blocks, np.exp(log_t) / spread), bounds=_TEMPERATURES, method="bounded"
            ).x
        )
    )


def partner_loss(blocks: Sequence[Block], scale: float) -> float:
    """Mean over held-out pairs and directions of -log softmax(scale s) of the true partner (InfoNCE), in nats."""
    from scipy.special import logsumexp

    sides = [(scale * s, b.num_test) for b in blocks for s in (b.scores, b.scores.T)]
    losses = [logsumexp(s[:n], axis=1) - np.diagonal(s)[:n] for s, n in sides]
    return float(np.mean(np.concatenate(losses)))


def _thinned(block: Block, rng: np.random.Generator) -> Block:
    keep = [_some(block.num_test, size, rng) for size in block.scores.shape]
    return Block(block.scores[np.ix_(*keep)], block.rows)


def _some(num_test: int, size: int, rng: np.random.Generator) -> np.ndarray:
    extra = size - num_test
    chosen = rng.choice(extra, round(THINNED * extra), replace=False)
    return np.concatenate([np.arange(num_test), num_test + np.sort(chosen)])


def _examples(scores: np.ndarray, num_test: int, scale: float) -> _Examples:
    """The best candidates of every held-out query."""
    top = min(TOP, scores.shape[1])
    best = np.argpartition(-scores[:num_test], top - 1, axis=1)[:, :top]
    used, place = np.unique(best, return_inverse=True)
    place = place.reshape(best.shape)
    above = _log_mean_exp(scale * scores[:, used].T)  # once per candidate, not per query
    found = []
    for t in range(num_test):
        own = scale * scores[t, best[t]]
        found.append(np.stack([_above_rivals(scale * scores[t], own), own - above[place[t]]], axis=1))
    right = (best == np.arange(num_test)[:, None]).reshape(-1)
    return _Examples(np.concatenate(found), right, float(np.log(scores.shape[1])))


def _evidence(
    scores: np.ndarray, best: np.ndarray, columns: np.ndarray, scale: float, counts: Counts
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column evidence of the candidates ``best`` [k]."""
    own = scores[best]
    missing = ~(np.abs(columns - own[:, None]) <= TIE).any(axis=1)  # the query is no row of its side: it joins them
    sizes = counts.columns.sum(axis=1)
    above = _log_mean_exp(scale * columns, counts.columns) + np.log(sizes)
    above = np.where(missing, np.logaddexp(above, scale * own), above) - np.log(sizes + missing)
    return _above_rivals(scale * scores, scale * own, counts.row), scale * own - above


def _above_rivals(scaled: np.ndarray, own: np.ndarray, counts: np.ndarray | float = 1.0) -> np.ndarray:
    """Log odds of each of ``own`` [k] under the softmax of ``scaled`` [N] that they are among, plus log N. [k]"""
    top, counts = scaled.max(), np.broadcast_to(counts, scaled.shape)
    log_share = own - top - np.log((counts * np.exp(scaled - top)).sum())
    rest = np.maximum(-np.expm1(log_share), _CERTAIN)
    return np.asarray(log_share - np.log(rest) + np.log(counts.sum()))


def _log_mean_exp(scaled: np.ndarray, counts: np.ndarray | float = 1.0) -> np.ndarray:
    """Of every row of [k, M], whose entries count as often as ``counts`` says. [k]"""
    top, counts = scaled.max(axis=1, keepdims=True), np.broadcast_to(counts, scaled.shape)
    return np.asarray(top[:, 0] + np.log((counts * np.exp(scaled - top)).sum(axis=1) / counts.sum(axis=1)))
