"""A seeded sample of rows, for what need not see all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sample_rows(rows: np.ndarray, limit: int, seed: int | Sequence[int] | np.random.Generator) -> np.ndarray:
    """``rows`` [N, D] themselves if they are at most ``limit``, else so many of them in their order."""
    if len(rows) <= limit:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), limit, replace=False))]
