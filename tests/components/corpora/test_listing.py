from __future__ import annotations

from pathlib import Path

import pytest

from components.corpora.listing import list_files, shown
from components.errors import UserError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.png", "sub/b.png", "sub/deep/c.png", "sub/d.txt", ".hidden/e.png", "sub/.f.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", ["a.png", "sub/b.png", "sub/d.txt", "sub/deep/c.png"]),
        ("*.png", ["a.png"]),
        ("**/*.png", ["a.png", "sub/b.png", "sub/deep/c.png"]),
        ("sub/*", ["b.png", "d.txt"]),
        ("sub/?.png", ["b.png"]),
        ("a.png", ["a.png"]),
    ],
)
def test_folder_file_and_glob(tree: Path, pattern: str, names: list[str]) -> None:
    location = str(tree / pattern)
    found = [f.name for f in list_files(location).files]
    assert [n.removeprefix("sub/") if pattern.startswith("sub/") else n for n in found] == names
    if "?" not in pattern:  # it begins the query of a URI
        assert [f.name for f in list_files(f"file://{location}").files] == found


def test_nothing_there(tree: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such file or folder"):
        list_files(str(tree / "nowhere"))
    with pytest.raises(UserError, match="no files here"):
        list_files(str(tree / "*.gif"))
    with pytest.raises(UserError, match="cannot be opened"):
        list_files("nonsense://x/y")


def test_secrets_are_not_shown() -> None:
    assert shown("s3://key:secret@bucket/path?session=token") == "s3://***@bucket/path"
    assert shown("/data/what?.png") == "/data/what?.png"
