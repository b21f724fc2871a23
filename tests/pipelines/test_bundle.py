"""What is sent to a cluster: the recipe as it was resolved, the files it reads, and nothing that has no place there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.errors import UserError
from pipelines import bundle
from pipelines.bundle import local_files, pack
from pipelines.recipe import load_recipe

RECIPE = """
pipeline: align
left:  {source: data/left.parquet}
right: {source: "s3://bucket/right.parquet"}
pairs: data/pairs.csv
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("data/left.parquet", "data/pairs.csv", ".git/config", "isthmus-data/store/big", "keys/x.pem", ".env",
                 "sub/__pycache__/x.pyc", "notes.txt", "ray-token", ".gitignore"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("data/\n")
    (root / "r.yaml").write_text(RECIPE)
    return root


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_paths_become_relative_and_the_rest_stays_behind(project: Path, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    os.symlink("/etc/passwd", project / "data" / "link")
    pack(load_recipe(str(project / "r.yaml"), ["seed=7"]), sent, "x.yaml", base=project)
    assert names(sent) == {"x.yaml", "r.yaml", "notes.txt", "data/left.parquet", "data/pairs.csv"}
    assert str(project) not in (sent / "x.yaml").read_text()
    there = load_recipe(str(sent / "x.yaml"))
    assert there.left.source == str(sent / "data/left.parquet")
    assert there.right.source == "s3://bucket/right.parquet"
    assert (there.name, there.seed) == ("r", 7)


def test_files_that_the_cluster_will_not_see_are_refused(project: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(project / "r.yaml"))
    assert set(local_files(recipe)) == {"left.source", "pairs"}
    with pytest.raises(UserError, match=r"key 'left.source' names .*left.parquet, which the cluster does not see"):
        pack(recipe, tmp_path, "x.yaml")
    with pytest.raises(UserError, match=r"'left\.source'"):
        pack(recipe, tmp_path, "x.yaml", base=project / "keys")
    pack(recipe, tmp_path, "x.yaml", here=True)
    assert load_recipe(str(tmp_path / "x.yaml")) == recipe


def test_built_in_recipes_name_no_files(tmp_path: Path) -> None:
    recipe = load_recipe("emoji")
    pack(recipe, tmp_path, "x.yaml")
    assert load_recipe(str(tmp_path / "x.yaml")) == recipe


def test_too_much_is_refused_by_name(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MOST_BYTES", 1 << 20)
    (project / "data" / "huge.bin").write_bytes(b"0" * (1 << 20))
    with pytest.raises(UserError, match=r"more than 1 MiB would be sent; the largest so far are data/huge.bin"):
        pack(load_recipe(str(project / "r.yaml")), tmp_path, "x.yaml", base=project)
    with pytest.raises(UserError, match="is no folder"):
        pack(load_recipe(str(project / "r.yaml")), tmp_path, "x.yaml", base=project / "r.yaml")
