"""Parts of corpora: wanted rows are in, others are drawn by the seed, and what is read back is the same content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpora.part import Part, read_part
from components.corpora.source_config import SourceConfig
from components.errors import UserError
from components.files import Folder


def ids(part: Part, rows: int | None = None) -> list[str]:
    found: list[str] = part.table[part.id_column].to_pylist()[:rows]
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    names = [f"r{n:04d}" for n in range(500)]
    vectors = pa.array(np.arange(1000, dtype=np.float32).reshape(500, 2).tolist())
    pq.write_table(pa.table({"key": names, "vec": vectors, "group": [n[-1] for n in names]}), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_wanted_rows_and_others_by_seed(table: Path) -> None:
    config = SourceConfig(source=str(table), id="key", embedding="vec")
    wanted = ["r0007", "r0499", "absent"]
    part = read_part(config, wanted=wanted, most=50, seed=1)
    assert (part.num_wanted, len(part.table)) == (2, 52)
    assert ids(part, 2) == ["r0007", "r0499"]
    assert ids(part) == ids(read_part(config, wanted=wanted, most=50, seed=1))
    assert set(ids(part)) != set(ids(read_part(config, wanted=wanted, most=50, seed=2)))
    assert len(part.ids) == 52
    first = part.table.slice(0, 1).to_pylist()[0]
    assert first == {"key": "r0007", "vec": [14.0, 15.0], "group": "7"}


def test_reading_ends_when_it_must(table: Path) -> None:
    config = SourceConfig(source=str(table), id="key", embedding="vec")
    whole = read_part(config, wanted=(), most=10_000, seed=0)
    assert sorted(ids(whole)) == [f"r{n:04d}" for n in range(500)]
    folder = table.parent / "many"
    for n in range(3):
        Folder.at(folder).write_table(f"{n}.parquet", pq.read_table(table).slice(100 * n, 100))
    stopped = read_part(
        SourceConfig(source=str(folder), id="key", embedding="vec"), wanted=(), most=10_000, seed=0, stop=lambda: True
    )
    assert len(stopped.table) == 100


def test_a_part_is_a_source_with_the_same_columns(tmp_path: Path) -> None:
    lines = [f'{{"id": "{n}", "name": "thing {n}", "more": "words {n}"}}' for n in range(20)]
    (tmp_path / "t.jsonl").write_text("\n".join([*lines, '{"name": "without id", "more": "x"}']))
    settings = {"text": ("name", "more"), "title": "name"}
    part = read_part(SourceConfig.of(str(tmp_path / "t.jsonl"), settings), wanted=["3"], most=5, seed=0)
    Folder.at(tmp_path).write_table("part.parquet", part.table)
    again = read_part(SourceConfig.of(str(tmp_path / "part.parquet"), settings), wanted=["3"], most=5, seed=0)
    assert again.ids == part.ids and len(part.ids) == 6
    assert part.table.slice(0, 1).to_pylist()[0] == {"more": b"words 3", "name": b"thing 3", "id": "3"}


def test_pictures_come_along(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x", "y"):
        (tmp_path / "a" / f"{name}.png").write_bytes(name.encode())
    (tmp_path / "t.csv").write_text("id,file\n1,a/x.png\n2,a/y.png\n")
    folder = read_part(SourceConfig(source=str(tmp_path / "a")), wanted=["y"], most=0, seed=0)
    assert folder.table.to_pylist() == [{"image": b"y", "id": "y"}]
    listed = read_part(SourceConfig(source=str(tmp_path / "t.csv"), path="file"), wanted=["2"], most=0, seed=0)
    assert listed.table.to_pylist() == [{"image": b"y", "id": "2"}]
    with pytest.raises(UserError, match="no column 'nothing'"):
        read_part(SourceConfig(source=str(tmp_path / "t.csv"), path="nothing"), wanted=(), most=1, seed=0)
