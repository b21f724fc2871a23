"""Rows that no aligner can work with are refused in one sentence."""

import numpy as np
import pytest

from components.alignment.checks import check_fit, check_rows
from components.alignment.protocol import Pairs
from components.errors import UserError


def rows(n: int = 6, d: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_row_is_named(bad: float) -> None:
    x = rows()
    x[4, 1] = bad
    with pytest.raises(UserError, match="row 4 of the left rows has a NaN or infinite value"):
        check_rows(x, "the left rows")


def test_equal_or_empty_rows_are_refused() -> None:
    with pytest.raises(UserError, match="all 5 rows"):
        check_rows(np.ones((5, 2)), "the rows")
    with pytest.raises(UserError, match="shape"):
        check_rows(np.zeros((0, 3)), "the rows")
    check_rows(np.ones((1, 3)), "a single row cannot differ from itself")


def test_too_few_pairs_and_wrong_width_are_refused() -> None:
    pairs = Pairs(rows(), rows(6, 2))
    check_fit(rows(4, 3), rows(4, 2), pairs, needed=6, why="x")
    with pytest.raises(UserError, match="6 pairs are too few for 8 CCA dimensions; give at least 9 pairs"):
        check_fit(rows(), rows(6, 2), pairs, needed=9, why="8 CCA dimensions")
    with pytest.raises(UserError, match="unpaired left rows have 5 values, paired ones 3"):
        check_fit(rows(4, 5), rows(4, 2), pairs, needed=3, why="x")
