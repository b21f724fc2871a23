"""A path from a table never leaves the folder of that table."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.corpora.listing import list_files
from components.corpora.paths import inside, referenced
from components.errors import UserError


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "..", ".", "a\\..\\x", "file:///etc/passwd", "a\0b"]
)
def test_paths_that_lead_out(path: str) -> None:
    assert inside("/data/corpus", path) is None


@pytest.mark.parametrize("path", ["x.png", "a/x.png", "a/../x.png", "/data/corpus/x.png", "./x.png", "..x.png"])
def test_paths_that_stay(path: str) -> None:
    assert str(inside("/data/corpus", path)).startswith("/data/corpus/")


def test_a_sibling_with_the_same_beginning_is_outside() -> None:
    assert inside("/data/corpus", "../corpus2/x.png") is None


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "table.csv").write_text("id,path\n1,link.png\n")
    with pytest.raises(UserError, match=r"table\.csv.*'link\.png' of row 3 leads out"):
        referenced(list_files(str(root / "table.csv")), "table.csv", "link.png", 3)
