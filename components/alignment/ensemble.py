"""Sums of scores: several alignments as one, each divided by its spread so that no member drowns the others.

A weighted sum of dot products is the dot product of scaled columns side by side, so an ensemble is an ordinary
alignment. Letters: ``M`` members, ``K`` shared columns of a member.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.alignment.nested import Block
from components.alignment.protocol import Alignment
from components.alignment.shaping import Scale
from components.transforms import Chain, Concat, Transform


def combine(
    members: Sequence[Alignment], weights: Sequence[float], about: dict[str, object] | None = None
) -> Alignment:
    """The alignment whose score is Σ weight · score of the members; members of weight 0 are left out.

    Raises ValueError: no member with a positive weight, or a negative weight.
    """
    if min(weights, default=0.0) < 0:
        raise ValueError(f"negative weights {list(weights)}")
    kept = [(m, float(np.sqrt(w))) for m, w in zip(members, weights, strict=True) if w > 0]
    if not kept:
        raise ValueError("an ensemble needs a member with a positive weight")
    return Alignment(
        _side_by_side([(m.left, root) for m, root in kept]),
        _side_by_side([(m.right, root) for m, root in kept]),
        about or {},
    )


def spread_of(alignment: Alignment, left: np.ndarray, right: np.ndarray) -> float:
    """Standard deviation of the scores between rows that do not belong together, [N1, D1] and [N2, D2]."""
    spread = float(alignment.score(left, right).std())
    return spread if spread > 0 else 1.0


def scaled(block: Block) -> np.ndarray:
    """Scores of a fold over their spread between distractors. [T + U1, T + U2]"""
    return block.scores / max(float(block.extra().std()), 1e-12)


def sum_blocks(members: Sequence[Sequence[Block]], weights: Sequence[Sequence[float]]) -> tuple[Block, ...]:
    """Blocks of an ensemble; ``weights`` per fold and member, of scores divided by their spread."""
    return tuple(
        Block(sum((w * scaled(b) for w, b in zip(weights[f], fold, strict=True)), np.zeros(())), fold[0].rows)
        for f, fold in enumerate(zip(*members, strict=True))
    )


def _side_by_side(parts: Sequence[tuple[Transform, float]]) -> Transform:
    return Concat([Chain([part, Scale(root)]) for part, root in parts])
