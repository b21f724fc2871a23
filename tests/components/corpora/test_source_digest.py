"""A source's digest follows its content: names and bytes of its files, and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

import components.corpora.digest as digest
from components.corpora.digest import source_digest
from components.errors import UserError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    (root / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        (root / name).write_bytes(name.encode())
    (tmp_path / "texts.csv").write_text("id,text\n1,a\n")
    (tmp_path / "paths.csv").write_text("id,path\n1,corpus/a.png\n2,corpus/none.png\n")
    return tmp_path


def test_follows_names_and_bytes(corpus: Path) -> None:
    root = corpus / "corpus"
    before = source_digest(str(root))
    shutil.copytree(root, corpus / "elsewhere")
    assert source_digest(str(corpus / "elsewhere")) == before
    (root / "a.png").write_bytes(b"A.png")
    assert source_digest(str(root)) != before
    (root / "a.png").write_bytes(b"a.png")
    assert source_digest(str(root)) == before
    (root / "a.png").rename(root / "c.png")
    assert source_digest(str(root)) != before


def test_pictures_behind_a_path_column_count(corpus: Path) -> None:
    table = str(corpus / "paths.csv")
    before = source_digest(table)
    (corpus / "corpus/sub/b.png").write_bytes(b"not named by the table")
    assert source_digest(table) == before
    (corpus / "corpus/a.png").write_bytes(b"changed")
    changed = source_digest(table)
    assert changed != before
    (corpus / "corpus/none.png").write_bytes(b"new")
    assert source_digest(table) not in (before, changed)
    assert source_digest(table, columns={"text": "path"}) == source_digest(table, columns={"text": "id"})


def test_hashes_are_remembered_by_size_and_time(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, cache = corpus / "texts.csv", corpus / "cache"
    old = time.time_ns() - 60 * 10**9
    os.utime(file, ns=(old, old))
    before = source_digest(str(file), cache_dir=cache)
    monkeypatch.setattr(digest, "_sha256", lambda path: "read again")
    assert source_digest(str(file), cache_dir=cache) == before
    os.utime(file, ns=(old + 1, old + 1))
    assert source_digest(str(file), cache_dir=cache) != before


def test_a_file_changed_just_now_is_not_remembered(corpus: Path) -> None:
    file, cache = corpus / "texts.csv", corpus / "cache"
    before = source_digest(str(file), cache_dir=cache)
    stamp = file.stat().st_mtime_ns
    file.write_text("id,text\n1,b\n")
    os.utime(file, ns=(stamp, stamp))
    assert source_digest(str(file), cache_dir=cache) != before


def test_damaged_cache_is_ignored(corpus: Path) -> None:
    file, cache = corpus / "texts.csv", corpus / "cache"
    old = time.time_ns() - 60 * 10**9
    os.utime(file, ns=(old, old))
    before = source_digest(str(file), cache_dir=cache)
    (entry,) = (cache / digest.CACHE).iterdir()
    entry.write_text("{broken")
    assert source_digest(str(file), cache_dir=cache) == before


def test_builtin_and_missing(corpus: Path) -> None:
    assert source_digest("builtin:emoji-names") == source_digest("builtin:emoji-names")
    assert source_digest("builtin:emoji-names") != source_digest("builtin:emoji-names:fr")
    with pytest.raises(UserError, match="no such file"):
        source_digest(str(corpus / "none.csv"))
