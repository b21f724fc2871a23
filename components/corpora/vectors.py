"""What makes an embedding unusable."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

MISSING = ("missing embedding", "empty embedding")
TINY = 1e-18
"""A vector without any value above this has no direction in float32: its squared norm underflows."""


def vector_problems(rows: pa.Array) -> list[str | None]:
    """Why each of these embeddings cannot be used, or None. ``rows``: ``large_list<float>`` [N], lengths may differ."""
    values = rows.flatten().to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths(rows))
    problems = np.full(len(rows), None, dtype=object)
    problems[_count(np.abs(values) > TINY, ends) == 0] = "embedding has zero norm"
    problems[_count(np.isinf(values), ends) > 0] = "embedding has infinite values"
    problems[_count(np.isnan(values), ends) > 0] = "embedding has NaN values"
    problems[lengths(rows) == 0] = "empty embedding"
    problems[rows.is_null().to_numpy(zero_copy_only=False)] = "missing embedding"
    return list(problems)


def lengths(rows: pa.Array) -> np.ndarray:
    """Values per embedding, 0 for a null. int64 [N]"""
    import pyarrow.compute as pc

    return pc.fill_null(pc.list_value_length(rows), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _count(flags: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """How many flags are set in each row."""
    total = np.concatenate([[0], np.cumsum(flags)])
    return np.diff(total[np.concatenate([[0], ends])])
