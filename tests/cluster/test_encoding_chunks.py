from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cluster.encoding_chunks import Chunk, ChunkEncoder, cut
from components.embeddings import vectors_of
from components.files import Folder


class Lengths:
    """A text's length and its number of letters a; refuses texts that contain an x."""

    name, modality, dim, licence = "lengths", "text", 2, "none"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, items: list[str]) -> np.ndarray:
        self.batches.append(len(items))
        if any("x" in item for item in items):
            raise ValueError("contains an x")
        if any("!" in item for item in items) and len(items) > 1:
            raise RuntimeError("out of memory")
        return np.array([[len(i), i.count("a")] for i in items], np.float32)


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    folder = Folder.at(tmp_path)
    texts = ["a", "bb", "aca", "dddd", "ax", "b!"]
    folder.write_table("shards/part-00000.parquet", pa.table({"id": list("pqrstu"), "text": texts, "group": texts}))
    return folder


def _chunk(start: int, stop: int) -> Chunk:
    return Chunk(name="shards/part-00000.parquet", start=start, stop=stop)


def test_cut_covers_every_row_once_and_no_chunk_spans_two_shards() -> None:
    chunks = cut({"a": 10, "b": 3, "c": 0}, 4)
    rows = [(c.name, row) for c in chunks for row in range(c.start, c.stop)]
    assert rows == [("a", n) for n in range(10)] + [("b", n) for n in range(3)]
    assert max(c.stop - c.start for c in chunks) == 4


def test_a_chunk_carries_ids_and_row_numbers(source: Folder) -> None:
    found = ChunkEncoder(source, "text", Lengths())(_chunk(1, 4))
    assert found["id"].to_pylist() == ["q", "r", "s"]
    assert found["row"].to_pylist() == [1, 2, 3]
    assert found["error"].null_count == 3
    assert vectors_of(found["embedding"]).tolist() == [[2, 0], [3, 2], [4, 0]]


def test_a_row_that_fails_is_named(source: Folder) -> None:
    failed = ChunkEncoder(source, "text", Lengths())(_chunk(2, 5)).to_pylist()
    assert [(row["id"], row["error"]) for row in failed] == [("t", "contains an x")]


def test_a_failure_that_is_no_rows_fault_is_raised(source: Folder) -> None:
    """Rows that pass one by one are not to blame."""
    with pytest.raises(RuntimeError, match="out of memory"):
        ChunkEncoder(source, "text", _NoX())(_chunk(3, 6))


class _NoX(Lengths):
    def encode(self, items: list[str]) -> np.ndarray:
        return super().encode([i.replace("x", "y") for i in items])


def test_the_shard_is_read_once_for_chunks_that_follow_each_other(
    source: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[str, ...]] = []
    original = Folder.read_table

    def counting(self: Folder, name: str, columns: list[str] | None = None) -> pa.Table:
        reads.append((name, *(columns or ["all"])))
        return original(self, name, columns)

    monkeypatch.setattr(Folder, "read_table", counting)
    encode = ChunkEncoder(source, "text", Lengths())
    encode(_chunk(0, 2)), encode(_chunk(2, 4))
    assert reads == [("shards/part-00000.parquet", "id", "text")]  # and no other column


def test_a_row_without_the_column_is_nan_and_the_encoder_never_sees_it(tmp_path: Path) -> None:
    folder, encoder = Folder.at(tmp_path), Lengths()
    table = pa.table({"id": list("pqr"), "text:words": ["a", None, "bb"]})
    folder.write_table("shards/part-00000.parquet", table)
    encode = ChunkEncoder(folder, "text:words", encoder)
    np.testing.assert_array_equal(vectors_of(encode(_chunk(0, 3))["embedding"]), [[1, 1], [np.nan, np.nan], [2, 0]])
    np.testing.assert_array_equal(vectors_of(encode(_chunk(1, 2))["embedding"]), [[np.nan, np.nan]])
    assert encoder.batches == [2]
