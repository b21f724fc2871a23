"""Critics: the trained score of a pair, f(x, y) = scale · similarity, with the scale it was trained with.

InfoNCE makes exp f proportional to p(y|x)/p(y); only with its own scale does it mean that (LUCL, Che and Eysenbach,
ICLR 2025, and the authors' errata). Letters: ``N, K`` rows, ``D`` dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from components.errors import UserError

Kind = Literal["cosine", "dot", "l2"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Critic:
    """How two rows are compared.

    Attributes:
        kind: ``cosine`` s·cos(x, y), ``dot`` s·⟨x, y⟩, ``l2`` −½·s·‖x − y‖².
        scale: s, as trained.
        dim: D, columns of the rows it compares.
    """

    kind: Kind
    scale: float
    dim: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"there is no critic {self.kind!r}", where="kind", do=f"use one of {', '.join(KINDS)}")
        number = isinstance(self.scale, int | float) and not isinstance(self.scale, bool)
        if not number or not math.isfinite(self.scale) or self.scale <= 0:
            raise UserError(f"a critic's scale is {self.scale!r}", where="scale", do="give the trained scale, above 0")
        if isinstance(self.dim, bool) or not isinstance(self.dim, int) or self.dim < 1:
            raise UserError(f"a critic of dimension {self.dim!r}", where="dim", do="give a whole number from 1")

    def rows(self, x: np.ndarray, name: str = "rows") -> np.ndarray:
        """Rows [N, D] as the critic sees them, float64: of unit length for the cosine.

        Raises:
            UserError: another dimension, NaN or infinite values, a row of zeros for the cosine.
        """
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise UserError(f"{name} of the shape {list(x.shape)} for a critic of dimension {self.dim}")
        x = np.asarray(x, dtype=np.float64)
        if not np.isfinite(x).all():
            bad = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise UserError(f"row {bad} of {name} has a NaN or infinite value", do="leave such rows out")
        if self.kind != "cosine":
            return x
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        if not norms.all():
            raise UserError(
                f"row {int(np.flatnonzero(norms == 0)[0])} of {name} is zero and has no direction",
                do="leave such rows out, or use a dot or l2 critic",
            )
        return x / norms

    def score(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """f of all rows ``x`` [N, D] with all rows ``y`` [K, D]. [N, K] float64. Raises UserError as :meth:`rows`."""
        x, y = self.rows(x, "the left rows"), self.rows(y, "the right rows")
        if self.kind != "l2":
            return self.scale * (x @ y.T)
        centre = y.mean(axis=0) if len(y) else 0.0  # of large coordinates the squares would lose the distance's digits
        x, y = x - centre, y - centre
        squared = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * (x @ y.T)
        return -0.5 * self.scale * np.maximum(squared, 0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, card: Any, *, where: str = "") -> Critic:
        """The critic of a card ``{"kind": …, "scale": …, "dim": …}``; what else it holds is for others.

        Raises:
            UserError: a missing or impossible value.
        """
        missing = [k for k in ("kind", "scale", "dim") if not isinstance(card, Mapping) or card.get(k) is None]
        if missing:
            raise UserError(f"the critic's card has no {missing[0]}", where=where, do="export the critics again")
        return cls(kind=card["kind"], scale=card["scale"], dim=card["dim"])


@dataclass(frozen=True)
class CriticPair:
    """The critics of both sides of the bridge.

    Attributes:
        ab: of queries (A) and the bridge's ``first`` rows.
        bc: of the bridge's ``second`` rows and candidates (C).
        same_space: both were trained with one encoder of B, so that a query and a candidate can be compared directly.
    """

    ab: Critic
    bc: Critic
    same_space: bool = False

    def __post_init__(self) -> None:
        if self.same_space and self.ab.dim != self.bc.dim:
            raise UserError(
                f"critics of {self.ab.dim} and {self.bc.dim} dimensions cannot share the space of B",
                do="say same_space=False, or give the critics of one training",
            )
