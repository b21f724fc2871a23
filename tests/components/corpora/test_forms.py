"""The form of a source is that of its files; a mixture, or nothing that can be read, is told with what there is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpora.forms import column_names, form_of, form_of_name
from components.corpora.listing import list_files
from components.errors import UserError


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.parquet", "parquet"),
        ("A.PQ", "parquet"),
        ("a.csv.gz", "csv"),
        ("a.b.tsv", "csv"),
        ("a.jsonl.zst", "jsonl"),
        ("a.JPG", "images"),
        ("a.gz", None),
        ("csv", None),
        ("a.txt", None),
    ],
)
def test_a_name_tells_the_form(name: str, form: str | None) -> None:
    assert form_of_name(name) == form


def test_a_folder_has_one_form(tmp_path: Path) -> None:
    for name in ("a.csv", "b.tsv", "README.md"):
        (tmp_path / name).write_text("id,text\n")
    assert form_of(list_files(str(tmp_path)), str(tmp_path)) == "csv"
    (tmp_path / "c.parquet").write_bytes(b"")
    with pytest.raises(UserError, match=r"2 csv files and 1 parquet files are mixed here"):
        form_of(list_files(str(tmp_path)), str(tmp_path))


def test_nothing_that_can_be_read_is_told_by_its_endings(tmp_path: Path) -> None:
    for name in ("a.txt", "b.docx", "LICENSE"):
        (tmp_path / name).write_text("x")
    with pytest.raises(UserError, match=r"only .docx, .txt, LICENSE.*readable are .*\.csv"):
        form_of(list_files(str(tmp_path)), str(tmp_path))


def test_columns_are_those_of_the_first_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["x"]}), tmp_path / "a.parquet")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id, name \n1,x\n"))
    (tmp_path / "a.jsonl").write_text('{"id": 1}\nnonsense\n{"id": 2, "title": "x"}\n')
    for name, form, columns in (
        ("a.parquet", "parquet", ["id", "text"]),
        ("a.csv.gz", "csv", ["id", "name"]),
        ("a.jsonl", "jsonl", ["id", "title"]),
    ):
        assert column_names(list_files(str(tmp_path / name)), form) == columns
