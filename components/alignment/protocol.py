"""What every aligner is given and gives back.

Letters: ``N1, N2`` unpaired rows, ``P`` known pairs, ``D1, D2`` input dimensions, ``K`` shared dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from components.transforms import Chain, Concat, Transform, UnitRows


@dataclass(frozen=True)
class Pairs:
    """Known pairs: row p of ``left`` [P, D1] belongs to row p of ``right`` [P, D2]."""

    left: np.ndarray
    right: np.ndarray

    def __post_init__(self) -> None:
        if len(self.left) != len(self.right):
            raise ValueError(f"{len(self.left)} left rows paired with {len(self.right)} right rows")

    def __len__(self) -> int:
        return len(self.left)

    def take(self, rows: np.ndarray) -> Pairs:
        return Pairs(self.left[rows], self.right[rows])


@dataclass(frozen=True)
class Alignment:
    """A fitted shared space. The score of a left and a right row is the dot product of their transforms.

    Attributes:
        left, right: maps into the shared space; they return rows whose dot product is the score
            (unit rows for one cosine; several unit blocks side by side for a sum of cosines).
        diagnostics: JSON-able facts of the fit: chosen hyperparameters, canonical correlations, warnings.
    """

    left: Transform
    right: Transform
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    def transform_left(self, x: np.ndarray) -> np.ndarray:
        """[N, D1] -> [N, K] float32."""
        return self.left(x)

    def transform_right(self, y: np.ndarray) -> np.ndarray:
        """[N, D2] -> [N, K] float32."""
        return self.right(y)

    def score(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Scores of raw left rows [N, D1] against raw right rows [M, D2]. [N, M]; higher is closer."""
        return self.left(left) @ self.right(right).T


def both_ways(to_right: Transform, to_left: Transform, diagnostics: Mapping[str, Any] | None = None) -> Alignment:
    """Score cos(to_right(x), y) + cos(x, to_left(y)) of two maps between the sides."""
    return Alignment(
        Concat([Chain([to_right, UnitRows()]), UnitRows()]),
        Concat([UnitRows(), Chain([to_left, UnitRows()])]),
        diagnostics or {},
    )


class Aligner(Protocol):
    """A frozen, validated config whose ``fit`` learns an :class:`Alignment`."""

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Fit on unpaired rows ``left`` [N1, D1], ``right`` [N2, D2] and the known pairs.

        Raises:
            UserError: fewer pairs than the method needs, non-finite or all-equal rows.
        """
        ...
