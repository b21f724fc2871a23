"""What ``auto`` chooses among: candidates, a fixed sum and a stack of them, with and without the hubness correction.

All of it is computed from out-of-fold scores; nothing is fitted here but the stack's weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.alignment.candidates import CandidateFit
from components.alignment.ensemble import sum_blocks
from components.alignment.hubness import corrected_scores
from components.alignment.nested import Block, PairScores, rank_pairs
from components.alignment.stack import stack

BANK = "+bank"
FIXED_SUM = ("procrustes", "kernel-ridge", "fused-kernel-ridge", "fused-csa", "self-training")
# Where the encoders curve the world, sums of methods that walk the graphs are far ahead of all others.
SPECTRAL_SUM = ("fused-csa", "functional-map", "spectral-transport")
FIXED, STACK = "fixed-sum", "stack"
# The sum that a stack is pulled to changes only for a lead that is beyond doubt.
SURELY = 3.0
# Among some twenty options the best by luck is about two standard errors ahead.
CLEARLY = 2.0
# A change of every rank by two percent: nobody would notice it.
NEGLIGIBLE = 0.02


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: candidate, ``fixed-sum`` or ``stack``; ``+bank`` with the hubness correction.
        score: mean of -log(1 + rank) over pairs and directions, out of fold; -0.69 is best.
        error: its standard error over the pairs.
        recall: {k: percent of held-out partners within k of ``gallery`` rows}.
        ahead: mean advantage in score over the best simple linear map, pair by pair, and its standard error.
        seconds: CPU time of the candidates in it.
    """

    name: str
    score: float
    error: float
    recall: dict[int, float]
    recall_error: dict[int, float]
    gallery: float
    ahead: tuple[float, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        recall = {f"R@{k}": v for k, v in self.recall.items()} | {f"R@{k}_se": v for k, v in self.recall_error.items()}
        ahead = {"ahead_of_linear": self.ahead[0], "ahead_se": self.ahead[1]}
        head = {"name": self.name, "score": self.score, "score_se": self.error}
        return {**head, **recall, "gallery": self.gallery, **ahead, "seconds": self.seconds}


@dataclass(frozen=True)
class Option:
    """A weighted sum of candidates, judged. ``plain``: its out-of-fold scores before any correction."""

    name: str
    weights: dict[str, float]
    cv: PairScores
    plain: tuple[Block, ...] = ()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Its out-of-fold scores; made when asked for, as all options' together would fill the memory."""
        return corrected_blocks(self.plain) if self.name.endswith(BANK) else self.plain


def make_options(fits: dict[str, CandidateFit]) -> list[Option]:
    """Every candidate, the fixed sum and the stack, each without and with the correction."""
    blocks = {name: f.blocks for name, f in fits.items()}
    weights: dict[str, dict[str, float]] = {name: {name: 1.0} for name in fits}
    fixed = _fixed_sum(blocks)
    if len(fixed) > 1:
        weights[FIXED] = dict.fromkeys(fixed, 1.0)
        blocks[FIXED] = _summed(blocks, fixed)
    if len(fits) > 1:
        prior = np.array([float(name in fixed or not fixed) for name in fits])
        stacked = stack([f.blocks for f in fits.values()], prior)
        if stacked.weights.any():  # else no sum of the candidates tells partners from strangers
            weights[STACK] = dict(zip(fits, (float(w) for w in stacked.weights), strict=True))
            blocks[STACK] = stacked.blocks
    plain = [Option(name, weights[name], rank_pairs(b), b) for name, b in blocks.items()]
    return plain + [Option(o.name + BANK, o.weights, rank_pairs(corrected_blocks(o.plain)), o.plain) for o in plain]


def _fixed_sum(blocks: Mapping[str, tuple[Block, ...]]) -> list[str]:
    """Members of the fixed sum: the general one, or the spectral one if that is surely ahead of it."""
    general, spectral = ([n for n in names if n in blocks] for names in (FIXED_SUM, SPECTRAL_SUM))
    if len(general) < 2 or len(spectral) < 2:
        return general
    standing = [rank_pairs(_summed(blocks, names)) for names in (spectral, general)]
    gain, error = advantage(*standing)
    return spectral if gain > SURELY * error else general


def _summed(blocks: Mapping[str, tuple[Block, ...]], names: list[str]) -> tuple[Block, ...]:
    num_folds = len(blocks[names[0]])
    return sum_blocks([blocks[n] for n in names], [[1.0] * len(names)] * num_folds)


def corrected_blocks(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    banks = [(slice(b.num_test, None), slice(b.num_test, None)) for b in blocks]
    return tuple(Block(corrected_scores(b.scores, bank), b.rows) for b, bank in zip(blocks, banks, strict=True))


def decide(options: list[Option], linear: Option) -> tuple[Option, str]:
    """The stack unless something clearly beats it; a simple linear map where the rest adds nothing worth having."""
    default = next((o for o in options if o.name == STACK + BANK), linear)
    best = max(options, key=lambda o: o.cv.score.mean())
    gain, error = advantage(best.cv, default.cv)
    chosen = best if gain > CLEARLY * error else default
    ahead, noise = advantage(chosen.cv, linear.cv)
    against = f"{ahead:+.3f} ± {noise:.3f} in log rank against the best linear map, {linear.name}"
    # Clearly behind, or surely equal. Merely not ahead is no reason: the best of several linear maps is a lucky one.
    if chosen is not linear and (ahead < -CLEARLY * noise or abs(ahead) + noise < NEGLIGIBLE):
        return linear, f"{linear.name}, as {chosen.name} adds nothing to it worth having: {against}"
    if chosen is best and best is not default:
        return chosen, f"{chosen.name}, as it beats {default.name} by {gain:.3f} ± {error:.3f}; it is {against}"
    return chosen, f"{chosen.name}, as nothing clearly beats it; it is {against}"


def advantage(a: PairScores, b: PairScores) -> tuple[float, float]:
    """Mean difference of score pair by pair, ``a`` - ``b``, and its standard error."""
    difference = a.score - b.score
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


def make_row(option: Option, linear: Option, fits: dict[str, CandidateFit]) -> Row:
    score, root = option.cv.score, np.sqrt(len(option.cv.score))
    recalls = {k: 100 * option.cv.recall(k) for k in (1, 5, 10)}
    return Row(
        name=option.name,
        score=float(score.mean()),
        error=float(score.std(ddof=1) / root),
        recall={k: float(v.mean()) for k, v in recalls.items()},
        recall_error={k: float(v.std(ddof=1) / root) for k, v in recalls.items()},
        gallery=option.cv.gallery,
        ahead=advantage(option.cv, linear.cv),
        seconds=sum(fits[n].seconds for n, w in option.weights.items() if w > 0),
    )
