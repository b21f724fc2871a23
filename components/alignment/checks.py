"""What every aligner refuses: rows that carry nothing, and too few pairs."""

from __future__ import annotations

import numpy as np

from components.alignment.protocol import Pairs
from components.errors import UserError


def check_rows(rows: np.ndarray, name: str) -> None:
    """Raise UserError unless ``rows`` [N, D] is a non-empty finite matrix with at least two different rows."""
    if rows.ndim != 2 or rows.size == 0:
        raise UserError(f"{name} has the shape {list(rows.shape)}", do="give a non-empty matrix of rows")
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise UserError(f"row {bad} of {name} has a NaN or infinite value", do="quarantine such rows first")
    if len(rows) > 1 and (rows == rows[0]).all():
        raise UserError(f"all {len(rows)} rows of {name} are equal", do="check the encoder that made them")


def check_fit(left: np.ndarray, right: np.ndarray, pairs: Pairs, *, needed: int, why: str) -> None:
    """Refuse what no aligner can be fitted on.

    Args:
        left, right: unpaired rows [N1, D1], [N2, D2]; either may have no rows.
        pairs: the known pairs.
        needed: the smallest number of pairs.
        why: what needs so many, e.g. ``"8 CCA dimensions"``.

    Raises:
        UserError: fewer pairs than needed, non-finite or all-equal rows, lengths that differ between rows and pairs.
    """
    if len(pairs) < needed:
        raise UserError(f"{len(pairs)} pairs are too few for {why}", do=f"give at least {needed} pairs")
    for name, rows, known in (("left", left, pairs.left), ("right", right, pairs.right)):
        check_rows(known, f"the paired {name} rows")
        if len(rows):
            check_rows(rows, f"the unpaired {name} rows")
            if rows.shape[1] != known.shape[1]:
                raise UserError(f"unpaired {name} rows have {rows.shape[1]} values, paired ones {known.shape[1]}")
