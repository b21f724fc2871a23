"""A critic of one edge from few pairs: an aligner of this project, with the scale that makes its scores log ratios.

The aligner is fitted without each fold of the pairs; the scale s is the one under which the held-out partners are
likeliest among unpaired distractors, softmax(s * score), both directions: the InfoNCE likelihood that a trained critic
maximises, out of fold. Of several aligners the likeliest is taken. No A–C pair is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from components.alignment.nested import Block
from components.alignment.protocol import Alignment
from components.alignment.registry import make_aligner
from components.bridging.critic import Critic
from components.corpora.triples import Pair
from components.evaluation.confidence import fit_temperature, partner_loss
from components.evaluation.out_of_fold import cross_fit
from components.evaluation.retrieval import rank_scores, recall_at
from components.evaluation.trials import World

DISTRACTORS = 1000
FOUND = 10
EVEN = 1e-4  # relative spread of lengths that counts as none


@dataclass(frozen=True, kw_only=True)
class EdgeJudgement:
    """What the known pairs of an edge say of a critic that did not see them.

    Attributes:
        aligner: its name.
        scale: of the highest likelihood.
        loss: -log likelihood of a partner, nats (mean over pairs and directions); ``chance``: log of the candidates.
        recall: R@10 among these candidates, percent.
    """

    aligner: str
    scale: float
    loss: float
    chance: float
    recall: float

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A fitted edge: ``alignment`` of its two sides, and what judged it; ``tried``: all aligners, best first."""

    alignment: Alignment
    judged: EdgeJudgement
    tried: list[EdgeJudgement]


def fit_edge(names: Sequence[str], world: World, pairs: Sequence[Pair], *, seed: int) -> Edge:
    """Judge every aligner out of fold and fit the likeliest on all pairs. Raises UserError for fewer than 10 pairs."""
    unpaired, known = world.unpaired(pairs), world.pairs(pairs)
    tried = []
    for name in names:
        aligner = make_aligner(name, seed=seed)
        (found,) = cross_fit(aligner, *unpaired, known, seed=seed, distractors=DISTRACTORS)
        tried.append(judge_blocks(name, found.blocks, found.spread()))
    tried.sort(key=lambda j: j.loss)
    return Edge(alignment=make_aligner(tried[0].aligner, seed=seed).fit(*unpaired, known), judged=tried[0], tried=tried)


def critic_of(scale: float, left: np.ndarray, right: np.ndarray) -> Critic:
    """The critic of scores that are products of rows [N, d], [K, d] times ``scale``.

    Rows of one length everywhere (a cosine, or several side by side) make it a cosine critic, others a dot critic.
    """
    lengths = [np.linalg.norm(rows.astype(np.float64), axis=1) for rows in (left, right)]
    own = [float(n.mean()) for n in lengths]
    if all(np.ptp(n) <= EVEN * m for n, m in zip(lengths, own, strict=True)) and min(own) > 0:
        return Critic(kind="cosine", scale=scale * own[0] * own[1], dim=left.shape[1])
    return Critic(kind="dot", scale=scale, dim=left.shape[1])


def judge_blocks(name: str, blocks: Sequence[Block], spread: float) -> EdgeJudgement:
    """Scale, likelihood and recall of out-of-fold scores."""
    scale = fit_temperature(blocks, spread) / spread
    scaled = [Block(scale * b.scores, b.rows) for b in blocks]
    return replace(judge_scaled(name, scaled), scale=scale)


def judge_scaled(name: str, blocks: Sequence[Block]) -> EdgeJudgement:
    """The same of scores that have their scale already."""
    sides = [s[: b.num_test] for b in blocks for s in (b.scores, b.scores.T)]
    ranks = np.concatenate([rank_scores(s).rank for s in sides])
    return EdgeJudgement(
        aligner=name,
        scale=1.0,
        loss=partner_loss(blocks, 1.0),
        chance=float(np.mean([np.log(s.shape[1]) for s in sides])),
        recall=recall_at(ranks, FOUND),
    )
