"""Recipes that train encoders: the graph, runs without Ray, use of the result in `align`, and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from encoder_worlds import sentences, write_pictures, write_texts
from rich.console import Console
from safetensors.numpy import load_file

from components.encoders import registry
from components.errors import UserError
from pipelines.home import Home
from pipelines.recipe import load_any_recipe, load_recipe
from pipelines.registry import PIPELINES, graph_of
from pipelines.runner import RunOptions, run_recipe

FAST: dict[str, Any] = {
    "head": {"hidden": 32, "dim": 16},
    "training": {"batch": 16, "each": 4, "epochs": 2, "learning_rate": 3.0e-3},
}
IMAGES = FAST | {"pipeline": "encode-images", "model": {"side": 16, "width": 8}}
TEXTS = FAST | {
    "pipeline": "encode-texts",
    "model": {"vocabulary": 400, "max_tokens": 16, "width": 16, "layers": 1, "heads": 2},
}


@dataclass
class Place:
    """A home, and recipes in a folder beside it."""

    root: Path
    home: Home
    console: Console

    def recipe(self, name: str, content: dict[str, Any]) -> Path:
        path = self.root / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    def run(self, path: Path, *overrides: str) -> int:
        recipe = load_any_recipe(str(path), overrides)
        return run_recipe(recipe, self.home, RunOptions(use_ray=False), self.console)

    @property
    def said(self) -> str:
        return self.console.export_text(clear=False)

    def results(self, name: str) -> Path:
        return self.home.results(name)


@pytest.fixture
def place(tmp_path: Path, make_home: Callable[[Path], Path]) -> Place:
    home = Home.open(make_home(tmp_path / "home"))
    return Place(tmp_path, home, Console(record=True, width=160, file=(tmp_path / "out").open("w")))


def keys(place: Place, path: Path, *overrides: str) -> dict[str, str]:
    graph = graph_of(load_any_recipe(str(path), overrides), place.home)(cache_dir=place.root / "cache", engine="local")
    return dict(graph.keys)


def changed(place: Place, path: Path, *overrides: str) -> set[str]:
    before, after = keys(place, path), keys(place, path, *overrides)
    return {n for n in after if before.get(n) != after[n]}


def test_a_change_makes_only_what_depends_on_it_again(place: Place) -> None:
    write_texts(place.root)
    path = place.recipe("texts", TEXTS | {"corpus": {"source": "texts.csv"}})
    assert set(keys(place, path)) == {"shard", "prepare", "train", "probe", "report", "export"}
    assert changed(place, path, "training.epochs=3") == {"train", "probe", "report", "export"}
    assert changed(place, path, "model.vocabulary=300") == {"prepare", "train", "probe", "report", "export"}
    assert changed(place, path, "scaling.workers=2", "scaling.loader_processes=1") == set()
    assert changed(place, path, "scaling.gpus_per_encoder=1", "scaling.max_preemptions=2") == set()
    pseudo = keys(place, path, "labels=kmeans")
    assert {"encode-first", "pseudo-labels"} <= set(pseudo)


def test_pictures_end_to_end_with_labels_and_gates(place: Place) -> None:
    write_pictures(place.root)
    content = IMAGES | {"corpus": {"source": "pictures.csv", "licence": "CC0-1.0"}, "objective": {"name": "simlap"}}
    assert place.run(place.recipe("shapes", content)) == 0, place.said
    assert "use it:   encoder: trained:shapes" in place.said
    metrics = json.loads((place.results("shapes") / "metrics.json").read_text())
    assert len(metrics["history"]) == 2 and {"loss", "gate_entropy", "probe_accuracy"} <= set(metrics["history"][0])
    assert metrics["probes"]["gate_rank"] > 0
    assert {"knn", "linear", "majority", "alignment"} <= set(metrics["probes"]["trained"])
    page = (place.results("shapes") / "report.html").read_text()
    assert "Gates of the classes" in page and "trained:shapes" in page
    encoder = registry.load(f"trained:{place.results('shapes') / 'encoder'}")
    assert (encoder.modality, encoder.dim, encoder.licence) == ("image", 32, "CC0-1.0")
    assert place.run(place.root / "shapes.yaml") == 0
    assert "0 steps ran" in place.said


def test_texts_train_and_align_takes_the_encoder_by_name(place: Place) -> None:
    write_texts(place.root, 120)
    assert place.run(place.recipe("talk", TEXTS | {"corpus": {"source": "texts.csv"}})) == 0, place.said
    rows = sentences(120)
    pairs = "left_id,right_id\n" + "\n".join(f"{i},{i}" for i, _, _ in rows[:60])
    (place.root / "pairs.csv").write_text(pairs)
    source = {"source": "texts.csv"}
    content: dict[str, Any] = {
        "pipeline": "align",
        "left": source | {"encoder": "trained:talk"},
        "right": source | {"encoder": "hashed-tfidf"},
        "pairs": "pairs.csv",
        "aligner": "ridge-cca",
        "splits": {"draws": 2},
    }
    path = place.recipe("join", content)
    before = keys(place, path)
    assert place.run(path) == 0, place.said
    model = place.results("join") / "model"
    assert '"encoder": "trained:talk#' in (model / "model.json").read_text()

    # trained again, it is another encoder; what was aligned with the old one still finds what it found
    from components.files import Folder
    from components.model import SharedSpace

    found = SharedSpace.load(Folder.at(model)).search(rows[0][1], side="left", k=3)
    assert place.run(place.root / "talk.yaml", "seed=1") == 0
    again = SharedSpace.load(Folder.at(model)).search(rows[0][1], side="left", k=3)
    assert [m.id for m in again] == [m.id for m in found] and again[0].score == pytest.approx(found[0].score, abs=1e-5)
    after = keys(place, path)
    assert before["encode-left"] != after["encode-left"] and before["encode-right"] == after["encode-right"]


def test_training_can_start_from_another_encoder(place: Place) -> None:
    write_texts(place.root)
    assert place.run(place.recipe("first", TEXTS | {"corpus": {"source": "texts.csv"}})) == 0, place.said
    model = TEXTS["model"] | {"weights": "trained:first"}
    more = place.recipe("second", TEXTS | {"corpus": {"source": "texts.csv"}, "model": model, "seed": 3})
    assert place.run(more, "training.learning_rate=1e-9") == 0, place.said
    one, two = (load_file(place.results(n) / "encoder" / "backbone.safetensors") for n in ("first", "second"))
    assert all(np.allclose(one[name], two[name], atol=1e-6) for name in one)
    tokenizers = [(place.results(n) / "encoder" / "tokenizer.json").read_bytes() for n in ("first", "second")]
    assert tokenizers[0] == tokenizers[1]


def test_without_labels_clusters_take_their_place(place: Place) -> None:
    write_texts(place.root, labels=False)
    content = TEXTS | {"corpus": {"source": "texts.csv"}, "labels": "kmeans", "pseudo": {"clusters": 4}}
    path = place.recipe("blind", content | {"objective": {"name": "supcon"}})
    assert place.run(path) == 0, place.said
    assert "The classes are clusters" in place.said
    plain = place.recipe("plain", TEXTS | {"corpus": {"source": "texts.csv"}})
    assert place.run(plain) == 0, place.said
    assert "knn" not in json.loads((place.results("plain") / "metrics.json").read_text())["probes"]["trained"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["objective.name=supcon", "labels=null"], "no class has two labelled rows, and supcon learns from labels"),
        (["labels=group"], "the corpus has no labels in 'group'; use label, kmeans or null"),
        (["training.batch=1"], "a batch of 1 row has nothing to compare with"),
        (["scaling.workers=1", "training.batch=2", "training.learning_rate=1e30"], "lower the learning rate"),
        (["labels=kmeans", "pseudo.clusters=5000"], "80 rows cannot make 5000 clusters"),
    ],
)
def test_a_run_that_cannot_work_ends_in_one_sentence(place: Place, overrides: list[str], words: str) -> None:
    write_texts(place.root)
    path = place.recipe("bad", TEXTS | {"corpus": {"source": "texts.csv"}})
    assert place.run(path, *overrides) == 1
    assert words in " ".join(place.said.split())


def test_one_class_only_is_refused_by_objectives_that_learn_from_labels(place: Place) -> None:
    (place.root / "one.csv").write_text("id,text,label\n" + "\n".join(f"{n},word {n},same" for n in range(40)))
    path = place.recipe("one", TEXTS | {"corpus": {"source": "one.csv"}, "objective": {"name": "cross-entropy"}})
    assert place.run(path) == 1
    assert "there is only the class 'same', and cross-entropy learns from labels" in " ".join(place.said.split())


def test_missing_labels_are_counted_and_said(place: Place) -> None:
    write_texts(place.root, 100, unlabelled=30)
    path = place.recipe("holes", TEXTS | {"corpus": {"source": "texts.csv"}, "objective": {"name": "supcon"}})
    assert place.run(path) == 0, place.said
    assert "training rows have no class with a second member" in place.said


def test_an_empty_corpus_and_one_of_three_rows_are_refused(place: Place) -> None:
    for name, rows, words in (("none", 0, "empty"), ("three", 3, "3 rows are too few to train an encoder")):
        (place.root / f"{name}.csv").write_text("id,text\n" + "".join(f"{n},word {n}\n" for n in range(rows)))
        assert place.run(place.recipe(name, TEXTS | {"corpus": {"source": f"{name}.csv"}})) == 1
        assert words in " ".join(place.said.split())


def test_the_wrong_modality_and_unknown_names_are_refused(place: Place) -> None:
    write_texts(place.root)
    path = place.recipe("pictures", IMAGES | {"corpus": {"source": "texts.csv"}})
    assert place.run(path) == 1
    assert "this corpus has texts, and encode-images learns from images" in " ".join(place.said.split())
    with pytest.raises(UserError, match=r"there is no trained encoder 'nobody' \(none was trained in this home yet\)"):
        keys(place, place.recipe("next", TEXTS | {"corpus": {"source": "texts.csv"}}), "model.weights=trained:nobody")
    with pytest.raises(UserError, match="info-nce has no setting 'rho'"):
        keys(place, place.root / "next.yaml", "objective.name=info-nce", "objective.settings.rho=1.0")
    with pytest.raises(UserError, match="there are no such weights"):
        keys(place, place.root / "next.yaml", "model.weights=/nowhere/w.safetensors")


def test_recipes_are_refused_by_key(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    for content, words in (
        (
            {"pipeline": "encode-sounds"},
            f"'encode-sounds' is no pipeline; use one of {', '.join(PIPELINES)}",
        ),
        (TEXTS, "key 'corpus': missing"),
        (TEXTS | {"corpus": {"source": "x"}, "objective": {"name": "moco"}}, "key 'objective.name'"),
        (IMAGES | {"corpus": {"source": "x"}, "model": {"vocabulary": 300}}, "key 'model.vocabulary': unknown key"),
    ):
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(UserError) as refused:
            load_any_recipe(str(path))
        assert words in str(refused.value)
    with pytest.raises(UserError, match="this recipe's pipeline is encode-images, not align"):
        load_recipe("encode-images")
