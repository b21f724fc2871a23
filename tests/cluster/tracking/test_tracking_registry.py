"""Registered models: candidates of runs, cached or not, the champion, and a version's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tracking_helpers import client, ended, exported_model, finished, run_of, started

from cluster.tracking.registry import Registry
from cluster.tracking.tracker import Tracker
from components.errors import UserError
from components.files import Folder
from components.model import SharedSpace


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    output = exported_model(tmp_path / "export")
    (output / "model" / "README.md").write_text("# What it is\n")
    return output


def export_run(home: Path, output: Path, run: str, **more: Any) -> None:
    tracker = Tracker(home)
    tracker.recipe({}, "", name="emoji")
    for event in (started(run), finished(run, "export", output=str(output), **more), ended(run)):
        tracker.listen(event)
    assert tracker.close(60).rejected == 0


def candidate(home: Path) -> str:
    return str(client(home).get_model_version_by_alias("emoji", "candidate").version)


def test_a_cached_export_takes_the_alias_back_and_logs_nothing_twice(home: Path, exported: Path) -> None:
    export_run(home, exported, "one", key="a" * 64)
    export_run(home, exported, "two", key="b" * 64)
    assert candidate(home) == "2"
    export_run(home, exported, "three", key="a" * 64, cached=True)
    assert candidate(home) == "1"
    assert len(client(home).search_model_versions("name = 'emoji'")) == 2
    assert client(home).get_model_version("emoji", "1").description == "# What it is\n"


def test_a_cached_export_is_registered_where_it_is_not_known_yet(home: Path, exported: Path) -> None:
    export_run(home, exported, "one", key="a" * 64, cached=True)
    assert candidate(home) == "1"
    assert run_of(home, "export").data.tags["model.version"] == "1"


def test_promoted_is_the_candidate_or_the_version_asked_for(home: Path, exported: Path) -> None:
    registry = Registry(home)
    with pytest.raises(UserError, match=r"no model is registered; run `isthmus run` first"):
        registry.promote()
    export_run(home, exported, "one", key="a" * 64)
    export_run(home, exported, "two", key="b" * 64)
    assert vars(registry.promote()) == {"name": "emoji", "version": "2", "before": None}
    assert vars(registry.promote("emoji", 1)) == {"name": "emoji", "version": "1", "before": "2"}
    assert client(home).get_model_version_by_alias("emoji", "champion").version == 1
    with pytest.raises(UserError, match="emoji has no version 7; there are 1, 2"):
        registry.promote("emoji", 7)
    for name in ("cats", "it's"):
        with pytest.raises(UserError, match="is registered"):
            registry.promote(name)
    client(home).create_registered_model("dogs")
    with pytest.raises(UserError, match="2 models are registered; name one of dogs, emoji"):
        registry.promote()


def test_a_version_becomes_a_folder_once(home: Path, exported: Path, tmp_path: Path) -> None:
    export_run(home, exported, "one")
    registry, cache = Registry(home), tmp_path / "cache"
    folder = registry.fetch("models:/emoji@candidate", cache)
    assert SharedSpace.load(Folder.at(folder)).search([0.0, 1.0, 0.0], side="left", k=1)[0].id == "right-y"
    assert registry.fetch("models:/emoji/1", cache) == folder and len(list(cache.iterdir())) == 1
    for uri, told in {
        "models:/emoji@champion": r"no 'champion' \(there is: candidate\)",
        "models:/emoji/4": "no version 4",
        "models:/emoji": "write models:/NAME@ALIAS",
        "models:/../secrets/1": "write models:/NAME@ALIAS",
        "models:/cats@candidate": "there is emoji",
    }.items():
        with pytest.raises(UserError, match=told):
            registry.fetch(uri, cache)


def test_a_registry_that_is_down_says_so(home: Path) -> None:
    with pytest.raises(UserError, match=r"the registry does not answer"):
        Registry(home, "http://127.0.0.1:9").promote("emoji")
