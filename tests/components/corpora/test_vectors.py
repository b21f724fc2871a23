from __future__ import annotations

import pyarrow as pa

from components.corpora.vectors import lengths, vector_problems

NAN, INF = float("nan"), float("inf")


def test_each_row_gets_its_own_reason() -> None:
    rows = [[1.0, 2.0], None, [], [1.0, NAN], [INF, 1.0], [NAN, INF], [0.0, 0.0], [1e-30, 0.0], [1.0, None], [1.0]]
    array = pa.array(rows, pa.large_list(pa.float32()))
    assert vector_problems(array) == [
        None,
        "missing embedding",
        "empty embedding",
        "embedding has NaN values",
        "embedding has infinite values",
        "embedding has NaN values",
        "embedding has zero norm",
        "embedding has zero norm",
        "embedding has NaN values",
        None,
    ]
    assert lengths(array).tolist() == [2, 0, 0, 2, 2, 2, 2, 2, 2, 1]


def test_slices_and_nulls_over_filled_places() -> None:
    array = pa.array([[9.0], [NAN], None, [1.0, 1.0]], pa.large_list(pa.float32())).slice(1)
    assert vector_problems(array) == ["embedding has NaN values", "missing embedding", None]
    assert vector_problems(array.slice(3)) == []
