"""The true log ratio of A–C pairs, where it is known: synthetic corpora."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from components.errors import UserError

COLUMNS = ("left_id", "right_id", "log_ratio")


def read_truth(location: str, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """log p(c|a)/p(c) of every a of ``pairs`` with every c of them. [T, T]

    Raises:
        UserError: a missing column, or a pair of ids without a value.
    """
    read = pd.read_parquet if location.endswith(".parquet") else pd.read_csv
    table = read(location)
    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise UserError(f"column {missing[0]} is missing", where=location, do=f"give {', '.join(COLUMNS)}")
    keyed = table.astype({"left_id": str, "right_id": str}).set_index(["left_id", "right_id"])["log_ratio"]
    lefts, rights = [a for a, _ in pairs], [c for _, c in pairs]
    found = keyed.unstack().reindex(index=lefts, columns=rights).to_numpy(dtype=np.float64)
    if not np.isfinite(found).all():
        n, k = np.argwhere(~np.isfinite(found))[0]
        raise UserError(f"no log ratio of {lefts[n]!r} and {rights[k]!r}", where=location, do="give all held-out pairs")
    return np.asarray(found)
