"""Readers give every value as raw as possible: one bad row spoils itself only."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpora.reading import pieces_of, read_piece
from components.corpora.source_config import SourceConfig
from components.corpora.sources import open_source
from components.errors import UserError

Row = tuple[object, object, object]


def rows_of(path: Path, **settings: str) -> list[Row]:
    """id, content and reading problem of every row."""
    source = open_source(SourceConfig.of(str(path), settings))
    found: list[Row] = []
    for piece in pieces_of(source):
        for rows in read_piece(source, piece):
            problems = rows.problems or [None] * len(rows)
            found += list(zip(rows.ids, rows.payload.to_pylist(), problems, strict=True))
    return found


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfid, text\n007,one\n8,"two\nlines"\n\n9,caf\xe9\n10,a,b\n11,\n12,' + b"x" * 200_000)
    assert rows_of(path) == [
        (b"007", b"one", None),
        (b"8", b"two\nlines", None),
        (b"9", b"caf\xe9", None),
        (None, None, "row does not fit the header"),
        (b"11", b"", None),
        (b"12", b"x" * 200_000, None),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_takes_the_separator_of_its_header(tmp_path: Path, separator: str) -> None:
    lines = [["id", "text"], ["007", '"a; b, c\t""d"""'], ["é 1", "two"]]
    (tmp_path / "t.csv").write_text("\n\n".join(map(separator.join, lines)), encoding="utf-8-sig")
    assert rows_of(tmp_path / "t.csv", text="text") == [
        (b"007", b'a; b, c\t"d"', None),
        ("é 1".encode(), b"two", None),
    ]


def test_jsonl_packed(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"
    lines = b'{"id": 7, "text": "one"}\n\n{"id": "8", "text": "\\ud800"}\n{"id": 9.5}\nnonsense\n[1]\n{"text": ["a"]}\n'
    path.write_bytes(gzip.compress(lines))
    assert rows_of(path, text="text") == [
        (b"7", b"one", None),
        (b"8", b"\xed\xa0\x80", None),
        (None, None, None),
        (None, None, "not a JSON object"),
        (None, None, "not a JSON object"),
        (None, None, None),
    ]


def test_embeddings_from_text_forms(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"id": 1, "embedding": [1, 2.5]}\n{"id": 2, "embedding": "x"}\n{"id": 3, "embedding": [[1], [2]]}\n'
    )
    (tmp_path / "t.csv").write_text('id,embedding\n1,"[1, 2.5]"\n2,\n3,5\n')
    for name in ("t.jsonl", "t.csv"):
        assert rows_of(tmp_path / name) == [(b"1", [1.0, 2.5], None), (b"2", None, None), (b"3", None, None)]


def test_cut_archive_and_missing_file(tmp_path: Path) -> None:
    lines = "".join(f'{{"id": {n}, "text": "{n * 7919 % 10007}"}}\n' for n in range(60_000)).encode()
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(lines)[:-20_000])
    with pytest.raises(UserError, match=r"t\.jsonl\.gz: cannot be read as text"):
        rows_of(tmp_path / "t.jsonl.gz")
    source = open_source(SourceConfig(source=str(tmp_path / "t.jsonl.gz")))
    (tmp_path / "t.jsonl.gz").unlink()
    with pytest.raises(UserError, match=r"t\.jsonl\.gz: no such file"):
        list(read_piece(source, pieces_of(source)[0]))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_strings_of_any_kind(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array([b"a", None] if kind == pa.binary() else ["a", None]).cast(kind)
    pq.write_table(pa.table({"id": pa.array([5, 6], pa.int64()), "text": values}), tmp_path / "t.parquet")
    assert rows_of(tmp_path / "t.parquet") == [(b"5", b"a", None), (b"6", None, None)]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32(), 2), pa.list_(pa.float64()), pa.large_list(pa.float16()), pa.list_(pa.int32())]
)
def test_parquet_embeddings_of_any_kind(tmp_path: Path, kind: pa.DataType) -> None:
    rows = pa.array([[1, 2], [3, 4]], pa.list_(pa.float32())).cast(kind)
    pq.write_table(pa.table({"id": ["a", "b"], "embedding": rows}), tmp_path / "t.parquet")
    assert [content for _, content, _ in rows_of(tmp_path / "t.parquet")] == [[1.0, 2.0], [3.0, 4.0]]


def test_parquet_missing_embeddings(tmp_path: Path) -> None:
    rows = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": ["a", "b", "c"], "embedding": rows}), tmp_path / "t.parquet")
    assert [content for _, content, _ in rows_of(tmp_path / "t.parquet")] == [[1.0, 2.0], None, [3.0, 4.0]]
    fixed = rows.cast(pa.list_(pa.float32(), 2))  # pyarrow writes this file and cannot read it
    pq.write_table(pa.table({"id": ["a", "b", "c"], "embedding": fixed}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet: an embedding is missing \(null\) in a column of fixed"):
        rows_of(tmp_path / "t.parquet")


def test_parquet_pictures_of_hugging_face(tmp_path: Path) -> None:
    pictures = pa.array([{"bytes": b"PNG", "path": "a.png"}, {"bytes": None, "path": None}])
    pq.write_table(pa.table({"id": ["a", "b"], "image": pictures}), tmp_path / "t.parquet")
    assert [content for _, content, _ in rows_of(tmp_path / "t.parquet")] == [b"PNG", None]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": [1.0], "text": ["a"]}, "column for 'id' has the type double; it must be string or integer"),
        ({"id": [1], "text": [5]}, "column for 'text' has the type int64"),
        ({"id": [1], "image": ["a.png"]}, "column for 'image' has the type string; it must be binary"),
        ({"id": [1], "embedding": [["a"]]}, "column for 'embedding' has the type list"),
    ],
)
def test_parquet_of_wrong_types(tmp_path: Path, columns: dict[str, list[object]], words: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=rf"t\.parquet.*{words}"):
        rows_of(tmp_path / "t.parquet")


def test_second_file_without_the_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "text": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": [1], "words": ["a"]}), tmp_path / "b.parquet")
    with pytest.raises(UserError, match=r"b\.parquet: there is no column 'text'"):
        rows_of(tmp_path)


def test_damaged_page(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [str(n) for n in range(5000)], "text": ["a" * 50] * 5000}), tmp_path / "t.parquet")
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[10:60] = bytes(50)
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"t\.parquet: cannot be read as Parquet"):
        rows_of(tmp_path / "t.parquet")


def test_large_parquet_is_cut_by_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import components.corpora.reading as reading

    table = pa.table({"id": [str(n) for n in range(1000)], "text": [f"text {n}" for n in range(1000)]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    whole = rows_of(tmp_path / "t.parquet")
    monkeypatch.setattr(reading, "SPLIT_ABOVE_BYTES", 1000)
    monkeypatch.setattr(reading, "PIECE_BYTES", (tmp_path / "t.parquet").stat().st_size // 3)
    source = open_source(SourceConfig(source=str(tmp_path / "t.parquet")))
    assert [p.groups for p in pieces_of(source)] == [range(0, 3), range(3, 6), range(6, 9), range(9, 10)]
    assert rows_of(tmp_path / "t.parquet") == whole
    assert [next(iter(read_piece(source, p))).numbers[0] for p in pieces_of(source)] == [1, 301, 601, 901]


def test_paths_become_pictures(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(b"PNG")
    (tmp_path / "t.csv").write_text("id,path\n1,pictures/a.png\n2,pictures/b.png\n3,\n4,pictures\n")
    assert rows_of(tmp_path / "t.csv") == [
        (b"1", b"PNG", None),
        (b"2", None, "image file not found"),
        (b"3", None, None),
        (b"4", None, "image file not readable"),
    ]


def test_path_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,path\n1,../../etc/passwd\n")
    with pytest.raises(UserError, match=r"t\.csv: the path '../../etc/passwd' of row 1 leads out of the folder"):
        rows_of(tmp_path / "t.csv")
