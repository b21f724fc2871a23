from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tracking_helpers import client, ended, exported_model, finished, run_of, started

from cluster.tracking import model as model_module
from cluster.tracking.database import default_uri
from cluster.tracking.tracker import Tracker


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    return exported_model(tmp_path / "export")


def export_run(home: Path, output: Path, run: str = "r") -> Any:
    tracker = Tracker(home)
    tracker.recipe({}, "", name="emoji")
    for event in (started(run), finished(run, "export", output=str(output)), ended(run)):
        tracker.listen(event)
    return tracker.close(60)


def test_the_exported_model_is_logged_registered_and_loads_without_pickles(
    home: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export_run(home, exported).rejected == 0
    tags = run_of(home, "export").data.tags
    assert "model.not_logged" not in tags
    version = client(home).get_model_version_by_alias("emoji", "candidate")
    assert (str(version.version), version.run_id) == (tags["model.version"], run_of(home, "export").info.run_id)

    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(home))
    mlflow.set_registry_uri(default_uri(home))
    mlflow.set_tracking_uri(default_uri(home))
    try:
        loaded = mlflow.pyfunc.load_model("models:/emoji@candidate")
        local = Path(mlflow.artifacts.download_artifacts("models:/emoji@candidate"))
    finally:
        mlflow.set_registry_uri("")
        mlflow.set_tracking_uri("")
    assert not [p for p in local.rglob("*") if p.suffix in {".pkl", ".pickle", ".pt", ".bin"}]
    assert loaded.metadata.signature is not None
    items = pd.DataFrame({"item": ["[0, 2, 0]", "[0, 0.1, 5]"]})
    answer = loaded.predict(items, params={"op": "search", "side": "left", "k": 2})
    assert list(answer["id"]) == ["right-y", "right-x", "right-z", "right-y"]
    assert list(answer["query"]) == [0, 0, 1, 1]
    encoded = loaded.predict(items, params={"op": "encode_right"})
    assert encoded["coordinates"][0] == [0.0, 1.0, 0.0]


def test_a_replayed_model_is_not_logged_twice(home: Path, exported: Path) -> None:
    export_run(home, exported)
    source, run = client(home), run_of(home, "export")
    tags = model_module.log_model(source, run.info.experiment_id, run.info.run_id, exported / "model", "emoji")
    assert tags["model.id"] == run.data.tags["model.id"]
    assert len(source.search_logged_models([run.info.experiment_id])) == 1
    assert len(source.search_model_versions("name = 'emoji'")) == 1


def test_a_new_run_takes_over_the_alias(home: Path, exported: Path) -> None:
    export_run(home, exported, "one")
    export_run(home, exported, "two")
    assert len(client(home).search_model_versions("name = 'emoji'")) == 2
    version = client(home).get_model_version_by_alias("emoji", "candidate")
    assert client(home).get_run(version.run_id).data.tags["isthmus.uid"] == "two/export"


def test_a_model_that_cannot_be_logged_hurts_nothing(
    home: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(model_module, "save_model", refuse)
    assert export_run(home, exported).pending == 0
    run = run_of(home, "export")
    assert (run.info.status, run.data.tags["model.not_logged"]) == ("FINISHED", "ValueError: no room")


def test_an_export_without_a_model_says_so(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    export_run(home, tmp_path / "empty")
    assert "no folder model/" in run_of(home, "export").data.tags["model.not_logged"]


class Recorder:
    """Stands in for a space of pictures and texts, and remembers what it was asked."""

    modalities = {"left": "image", "right": "text"}  # noqa: RUF012

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def columns(self, side: str) -> list[str]:
        return {"left": [], "right": ["name", "keywords"]}[side]

    def search(self, item: Any, *, side: str, k: int) -> list[Any]:
        self.asked.append((item, side, k))
        return []

    def encode_left(self, items: list[Any]) -> np.ndarray:
        self.asked.append(items)
        return np.zeros((len(items), 2))

    encode_right = encode_left


@pytest.fixture
def served() -> Any:
    from cluster.tracking.pyfunc_model import SharedSpaceModel

    model = SharedSpaceModel()
    model.space = Recorder()  # type: ignore[assignment]
    return model


def ask(model: Any, item: str, **params: Any) -> Any:
    return model.predict(None, pd.DataFrame({"item": [item]}), params)


def test_items_are_decoded_as_their_side_wants_them(served: Any) -> None:
    picture = base64.b64encode(b"\x89PNG bytes").decode()
    ask(served, "a cat", op="search", k=3)
    ask(served, picture, op="search", side="left")
    ask(served, picture, op="encode_left")
    assert served.space.asked == [("a cat", "right", 3), (b"\x89PNG bytes", "left", 10), [b"\x89PNG bytes"]]


def test_some_of_several_texts_come_as_a_json_object(served: Any) -> None:
    ask(served, '{"keywords": "cat, pet"}')
    ask(served, '{"colour": "red"}')
    assert [item for item, *_ in served.space.asked] == [{"keywords": "cat, pet"}, '{"colour": "red"}']


@pytest.mark.parametrize(
    ("item", "params", "message"),
    [
        ("x", {"op": "delete"}, "allowed: search, encode_left, encode_right"),
        ("x", {"side": "up"}, "allowed: left, right, auto"),
        ("x", {"k": 0}, "allowed: 1 to 1000"),
        ("not base64!", {"side": "left"}, "base64 of an image file"),
    ],
)
def test_impossible_requests_are_refused(served: Any, item: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask(served, item, **params)


def test_numbers_of_an_embedding_side_are_checked(served: Any) -> None:
    served.space.modalities = {"left": "embedding", "right": "embedding"}
    ask(served, json.dumps([1, 2]))
    assert served.space.asked == [([1.0, 2.0], "left", 10)]
    with pytest.raises(ValueError, match="a JSON list of numbers"):
        ask(served, '["a"]')
