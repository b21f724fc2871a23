"""The steps that several encoders, texts or embeddings become, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.workflow.graph import Graph
from components.errors import UserError
from pipelines.align import build
from pipelines.recipe import load_recipe, validate


def graph(tmp_path: Path, *overrides: str, recipe: str = "emoji") -> Graph:
    return build(load_recipe(recipe, list(overrides)), cache_dir=tmp_path / "cache", engine="local")


def encoding(steps: Graph) -> dict[str, Any]:
    return {name: s.config for name, s in steps.steps.items() if name.startswith(("encode", "join"))}


def test_one_view_has_the_steps_and_keys_it_always_had(tmp_path: Path) -> None:
    plain = graph(tmp_path)
    assert set(encoding(plain)) == {"encode-left", "encode-right"}
    assert encoding(plain)["encode-right"] == {"encoder": "minilm"}
    assert graph(tmp_path, "right.encoder=[minilm]", "left.encoder=[efficientnet-lite0]").keys == plain.keys
    assert graph(tmp_path, "right.text=[text]").keys == graph(tmp_path, "right.text=text").keys


def test_a_further_encoder_is_a_further_step_and_the_first_keeps_its_result(tmp_path: Path) -> None:
    one, two = graph(tmp_path), graph(tmp_path, "right.encoder=[minilm, use-multilingual]")
    assert set(encoding(two)) == {"encode-left", "encode-right", "encode-right-use-multilingual", "join-right"}
    assert one.keys["encode-right"] == two.keys["encode-right"]
    assert one.keys["fit-kernel-ridge"] != two.keys["fit-kernel-ridge"]
    three = graph(tmp_path, "right.encoder=[minilm, hashed-tfidf]")
    changed = {name for name in two.keys if two.keys[name] != three.keys.get(name) and name.startswith("encode")}
    assert changed == {"encode-right-use-multilingual"}


def test_every_text_goes_through_every_encoder(tmp_path: Path) -> None:
    steps = graph(tmp_path, "right.text=[name, keywords]", "right.encoder=[minilm, hashed-tfidf]")
    assert {n: (c["encoder"], c["column"]) for n, c in encoding(steps).items() if n.startswith("encode-right")} == {
        "encode-right": ("minilm", "text"),
        "encode-right-name-hashed-tfidf": ("hashed-tfidf", "text"),
        "encode-right-keywords-minilm": ("minilm", "text:keywords"),
        "encode-right-keywords-hashed-tfidf": ("hashed-tfidf", "text:keywords"),
    }
    assert steps.steps["join-right"].config == {"columns": ["name", "name", "keywords", "keywords"]}


def test_the_recipe_with_all_encoders_has_more_than_one_on_both_sides(tmp_path: Path) -> None:
    assert {"join-left", "join-right"} <= set(graph(tmp_path, recipe="emoji-all").steps)


def test_columns_that_no_step_can_be_called_after_get_a_hash(tmp_path: Path) -> None:
    vector = pa.array([[1.0, 2.0]], pa.list_(pa.float32()))
    pq.write_table(
        pa.table({"id": ["a"], "名前": vector, "Dino V2": vector, "dino-v2": vector}), tmp_path / "l.parquet"
    )
    left = f"left={{source: {tmp_path}/l.parquet, embedding: [dino-v2, Dino V2, 名前]}}"
    names = [n for n in encoding(graph(tmp_path, left)) if n.startswith("encode-left-")]
    assert len(names) == 2 and all(name.isascii() for name in names)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("right.encoder=[minilm, clip9]", r"right\.encoder.*unknown encoder 'clip9'"),
        ("left.encoder=[efficientnet-lite0, minilm]", r"left\.encoder.*'minilm' takes texts, not images"),
        ("right.encoder=[auto, minilm]", r"right\.encoder.*same encoder"),
        ("right.text=[name, colour]", r"no column 'colour'.*the columns are text, name, keywords, en"),
    ],
)
def test_encoders_and_columns_are_checked_before_anything_runs(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        graph(tmp_path, override)


def test_encoders_of_given_embeddings_are_refused(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"id": ["a"], "embedding": pa.array([[1.0]], pa.list_(pa.float32()))}), tmp_path / "e.parquet"
    )
    with pytest.raises(UserError, match="has embeddings, which no encoder takes"):
        graph(tmp_path, f"left.source={tmp_path}/e.parquet")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("encoder", (), r"'right\.encoder'.*give one name or a list of names"),
        ("encoder", ("minilm", "minilm"), r"'right\.encoder'.*holds a name twice"),
        ("encoder", ("minilm", 3), r"'right\.encoder'.*give one name or a list of names"),
        ("encoder", None, r"'right\.encoder'.*give a name or a list of names"),
        ("text", 3, r"'right\.text'.*give a name or a list of names"),
        ("embedding", ("dino", " "), r"'right\.embedding'.*give one name or a list of names"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_key(key: str, value: Any, said: str) -> None:
    right = {"source": "builtin:emoji-names", key: value}
    with pytest.raises(UserError, match=said):
        validate({"pipeline": "align", "left": {"source": "a.parquet"}, "right": right, "pairs": "p.csv"})
