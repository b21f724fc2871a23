"""Hubness: gallery rows that are near to everything are moved away, by what a bank of unpaired queries says of them.

A gallery row j gets the potential g_j = -sd log mean_i exp(S_ij / sd) over bank queries i of the asking modality (the
column potential of one Sinkhorn step, with sd the spread of scores between unpaired rows), or CSLS' mean of its
nearest bank scores (Conneau et al., ICLR 2018). Only unpaired rows are used: the gallery is never looked at as a whole.

Each direction needs the potential of its own gallery side, but the potential of the query's side is one number for all
of a query's scores and cannot change their order. So S_ij + h_i + g_j serves both directions, and stays a dot product:
left rows become (x, h, 1), right rows (y, 1, g). Letters: ``B`` bank rows, ``K`` shared columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from components.alignment.protocol import Aligner, Alignment, Pairs
from components.alignment.sampling import sample_rows
from components.checks import check_one_of, check_range
from components.transforms import Chain, Spec, Tensors, Transform

Kind = Literal["potential", "csls"]
CHUNK = 8192


@dataclass(frozen=True, kw_only=True)
class HubnessConfig:
    """Config of the correction.

    Attributes:
        kind: ``potential`` = soft maximum over the bank; ``csls`` = mean of the ``neighbours`` nearest bank rows.
        bank: rows of each side at most, a seeded sample of the unpaired ones.
        neighbours: of CSLS.
        seed: of the sample.
    """

    kind: Kind = "potential"
    bank: int = 600
    neighbours: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        check_one_of("kind", self.kind, get_args(Kind))
        check_range("bank", self.bank, 2)
        check_range("neighbours", self.neighbours, 1)


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """Config of an aligner whose fits are corrected by banks of the unpaired rows that they are given."""

    aligner: Aligner
    hubness: HubnessConfig

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """As the aligner's own, then :func:`correct`. Raises what the aligner raises."""
        return correct(self.aligner.fit(left, right, pairs), left, right, self.hubness)


class Potential(Transform):
    """Rows [N, K] of the shared space -> [N, K + 2] with their potential against ``bank`` [B, K].

    Args:
        bank: rows of the other side, in the shared space.
        spread: sd, of scores between unpaired rows.
        neighbours: 0 for the soft maximum, else of CSLS.
        place: which of the two last columns holds the potential; the other holds 1. The sides differ in it.
    """

    kind = "potential"

    def __init__(self, bank: np.ndarray, spread: float, neighbours: int, place: int) -> None:
        self.bank, self.spread = bank.astype(np.float32), float(spread)
        self.neighbours, self.place = neighbours, place

    def __call__(self, x: np.ndarray) -> np.ndarray:
        extra = np.ones((len(x), 2), np.float32)
        for start in range(0, len(x), CHUNK):
            block = slice(start, start + CHUNK)
            extra[block, self.place] = potentials(x[block] @ self.bank.T, self.spread, self.neighbours)
        return np.concatenate([np.asarray(x, np.float32), extra], axis=1)

    def state(self) -> tuple[Spec, Tensors]:
        return {"spread": self.spread, "neighbours": self.neighbours, "place": self.place}, {"bank": self.bank}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Potential:
        return cls(tensors["bank"], spec["spread"], spec["neighbours"], spec["place"])


def potentials(scores: np.ndarray, spread: float, neighbours: int = 0) -> np.ndarray:
    """Potentials of rows from their ``scores`` [N, B] against the bank; ``neighbours`` 0 for the soft maximum. [N]"""
    if neighbours:
        kept = min(neighbours, scores.shape[1])
        nearest = -np.partition(-scores, kept - 1, axis=1)[:, :kept]
        return np.asarray(-nearest.mean(axis=1))
    scaled = scores / spread
    top = scaled.max(axis=1, keepdims=True)
    return np.asarray(-spread * (top[:, 0] + np.log(np.exp(scaled - top).mean(axis=1))))


def correct(
    alignment: Alignment, left: np.ndarray, right: np.ndarray, config: HubnessConfig | None = None
) -> Alignment:
    """``alignment`` with potentials from banks of unpaired rows [N1, D1], [N2, D2]; unchanged if a side has none."""
    config = config or HubnessConfig()
    if not len(left) or not len(right):
        return alignment
    banks = [sample_rows(rows, config.bank, [config.seed, side]) for side, rows in enumerate((left, right))]
    a, b = alignment.transform_left(banks[0]), alignment.transform_right(banks[1])
    spread = float((a @ b.T).std())
    if spread <= 0:
        return alignment
    k = config.neighbours if config.kind == "csls" else 0
    return Alignment(
        Chain([alignment.left, Potential(b, spread, k, 0)]),
        Chain([alignment.right, Potential(a, spread, k, 1)]),
        {**alignment.diagnostics, "hubness": config.kind},
    )


def uncorrected(alignment: Alignment) -> Alignment:
    """Undo :func:`correct`, e.g. to draw the shared space: the two added columns tell the sides apart."""
    return Alignment(_bare(alignment.left), _bare(alignment.right), alignment.diagnostics)


def _bare(side: Transform) -> Transform:
    """``side`` without a last part that adds potentials, however deep in chains."""
    if not isinstance(side, Chain) or not side.parts:
        return side
    last = side.parts[-1]
    return Chain(side.parts[:-1] if isinstance(last, Potential) else [*side.parts[:-1], _bare(last)])


def corrected_scores(scores: np.ndarray, bank: tuple[slice, slice], config: HubnessConfig | None = None) -> np.ndarray:
    """:func:`correct` on a matrix of scores [N, M], rows ``bank[0]`` and columns ``bank[1]`` of which are the banks."""
    config = config or HubnessConfig()
    inner = scores[bank[0], bank[1]]
    if not inner.size or inner.std() <= 0:
        return scores
    k = config.neighbours if config.kind == "csls" else 0
    rows = potentials(scores[:, bank[1]], float(inner.std()), k)
    columns = potentials(scores[bank[0]].T, float(inner.std()), k)
    return np.asarray(scores + rows[:, None] + columns[None], dtype=np.float32)
