"""True log ratios are read by the ids of both sides; what is missing is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.errors import UserError
from pipelines.steps.bridge_truth import read_truth

PAIRS = [("a1", "c1"), ("a2", "c2")]
ROWS = [("a2", "c1", 21.0), ("a1", "c1", 11.0), ("a9", "c1", 91.0), ("a2", "c2", 22.0), ("a1", "c2", 12.0)]


def write(path: Path, rows: list[tuple[str, str, float]], ratio: str = "log_ratio") -> str:
    table = pd.DataFrame(rows, columns=["left_id", "right_id", ratio])
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_every_a_with_every_c_of_the_pairs(tmp_path: Path, form: str) -> None:
    found = read_truth(write(tmp_path / f"truth.{form}", ROWS), PAIRS)
    np.testing.assert_array_equal(found, [[11, 12], [21, 22]])
    turned = read_truth(write(tmp_path / f"turned.{form}", ROWS[::-1]), PAIRS[::-1])
    np.testing.assert_array_equal(turned, [[22, 21], [12, 11]])


def test_ids_may_be_numbers(tmp_path: Path) -> None:
    location = write(tmp_path / "truth.csv", [("1", "7", 0.5)])
    assert read_truth(location, [("1", "7")]).tolist() == [[0.5]]


@pytest.mark.parametrize("missing", [ROWS[:-1], [*ROWS[:-1], ("a1", "c2", np.nan)], [*ROWS[:-1], ("a1", "c2", np.inf)]])
def test_a_pair_without_a_finite_value_is_named(tmp_path: Path, missing: list[tuple[str, str, float]]) -> None:
    with pytest.raises(UserError, match=r"truth.csv: no log ratio of 'a1' and 'c2'; give all held-out pairs"):
        read_truth(write(tmp_path / "truth.csv", missing), PAIRS)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"column log_ratio is missing; give left_id, right_id, log_ratio"):
        read_truth(write(tmp_path / "truth.csv", ROWS, ratio="ratio"), PAIRS)
