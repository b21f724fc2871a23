"""What a source is, is found out by looking, and said clearly if it cannot be."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpora.source_config import SourceConfig
from components.corpora.sources import open_source
from components.errors import UserError


def csv(folder: Path, header: str, name: str = "t.csv") -> str:
    (folder / name).write_text(f"{header}\n" + ",".join("x" * (header.count(",") + 1)) + "\n")
    return str(folder / name)


def test_image_folder(tmp_path: Path) -> None:
    for name in ("a.PNG", "b/c.jpeg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = open_source(SourceConfig(source=str(tmp_path)))
    assert (source.form, source.modality, source.ignored) == ("images", "image", 1)
    assert [f.name for f in source.files.files] == ["a.PNG", "b/c.jpeg"]


@pytest.mark.parametrize(
    ("header", "modality", "columns"),
    [
        ("id,text,group,other", "text", {"id": "id", "text": "text", "group": "group"}),
        ("id,path,title", "image", {"id": "id", "path": "path", "title": "title"}),
        ("id,embedding", "embedding", {"id": "id", "embedding": "embedding"}),
    ],
)
def test_columns_of_default_names(tmp_path: Path, header: str, modality: str, columns: dict[str, str]) -> None:
    source = open_source(SourceConfig(source=csv(tmp_path, header)))
    assert source.modality == modality
    assert dict(source.columns) == columns


def test_named_columns(tmp_path: Path) -> None:
    path = csv(tmp_path, "key,caption,text,kind")
    source = open_source(SourceConfig.of(path, {"id": "key", "text": "caption", "group": "kind", "side": "left"}))
    assert dict(source.columns) == {"id": "key", "text": "caption", "group": "kind"}


def test_all_forms_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"id": 1, "text": "a"}\n{"id": 2, "text": "b", "title": "T"}\n')
    pq.write_table(pa.table({"id": [1], "text": ["a"]}), tmp_path / "t.parquet")
    csv(tmp_path, "id,text")
    (tmp_path / "t.tsv").write_text("id\ttext\n1\ta\n")
    forms = {n: open_source(SourceConfig(source=str(tmp_path / n))).form for n in ("t.jsonl", "t.parquet", "t.tsv")}
    assert forms == {"t.jsonl": "jsonl", "t.parquet": "parquet", "t.tsv": "csv"}
    assert open_source(SourceConfig(source=str(tmp_path / "*.jsonl"))).extras == ["title"]


def test_folder_with_more_than_one_form(tmp_path: Path) -> None:
    csv(tmp_path, "id,text")
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"1 csv files and 1 images files are mixed here; name a file or a glob"):
        open_source(SourceConfig(source=str(tmp_path)))
    assert open_source(SourceConfig(source=f"{tmp_path}/**/*.png")).form == "images"


@pytest.mark.parametrize(
    ("header", "settings", "words"),
    [
        ("key,text", {}, r"t\.csv: there is no column 'id' for 'id'; the columns are key, text; name the right one"),
        ("id,words", {}, "no column image, path, text or embedding; the columns are id, words"),
        ("id,text", {"text": "caption"}, "no column 'caption' for 'text'; the columns are id, text"),
        ("id,text", {"group": "kind"}, "no column 'kind' for 'group'"),
        ("id,path,text", {}, "columns path and text could all be the content; say which"),
        ("id,text", {"text": "text", "path": "text"}, "columns path and text are both named"),
    ],
)
def test_wrong_columns(tmp_path: Path, header: str, settings: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        open_source(SourceConfig.of(csv(tmp_path, header), settings))


def test_no_usable_file(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(UserError, match=r"only \.docx; readable are \.avif"):
        open_source(SourceConfig(source=str(tmp_path)))
    with pytest.raises(UserError, match="no such file or folder"):
        open_source(SourceConfig(source=str(tmp_path / "missing.parquet")))
    with pytest.raises(UserError, match="must not be empty"):
        SourceConfig(source=" ")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_damaged_parquet_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"t\.parquet: cannot be read as Parquet"):
        open_source(SourceConfig(source=str(tmp_path / "t.parquet")))
