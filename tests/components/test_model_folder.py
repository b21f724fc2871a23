"""A model's folder: what is read is what was written, or one sentence says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components import row_index
from components.embeddings import Embeddings
from components.encoders.registry import fingerprint
from components.errors import UserError
from components.files import Folder
from components.model import ModelSide, SharedSpace
from components.model_views import ModelView
from components.transforms import Chain, Linear, UnitRows, unit_rows

RNG = np.random.default_rng(0)
TEXTS = ["red apple", "green pear", "blue sky", "night", "a red rose", "grey cat"]


def space(encoder: str = "hashed-tfidf", made_with: str | None = None) -> SharedSpace:
    """Texts on both sides, each found by itself."""
    view = ModelView(encoder=encoder, dim=512, fingerprint=fingerprint(encoder) if made_with is None else made_with)
    weight = RNG.normal(size=(512, 16)).astype(np.float32)
    side = ModelSide(
        modality="text",
        views=(view,),
        transform=Chain([Linear(np.zeros(512), weight), UnitRows()]),
        index=Embeddings([], np.zeros((0, 16), np.float32)),
        titles={t: t.upper() for t in TEXTS},
        thumbnails={},
    )
    points = SharedSpace({"left": side, "right": side}, {}).encode_left(TEXTS) if made_with is None else np.eye(6, 16)
    side = replace(side, index=Embeddings(sorted(TEXTS), points[np.argsort(TEXTS)].astype(np.float32)))
    return SharedSpace({"left": side, "right": side}, {"name": "texts"})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder.at(tmp_path / "model").make()
    space().save(folder)
    return folder


def test_a_saved_model_answers_the_same(folder: Folder) -> None:
    again = SharedSpace.load(folder)
    assert again.about["index"]["left"]["kind"] == "exact"
    for text in TEXTS:
        assert again.search(text, side="left", k=1)[0].title == text.upper()


def test_every_file_is_checked_before_it_is_read(folder: Folder) -> None:
    names = sorted(set(SharedSpace.load(folder).about["files"]))
    assert names == sorted(f.name for f in folder.files() if f.name != "model.json")
    for name in names:
        whole = folder.read_bytes(name)
        folder.write_bytes(name, whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(UserError, match=f"{name} of the model is damaged"):
            SharedSpace.load(folder)
        (folder.local / name).unlink()
        with pytest.raises(UserError, match=f"{name} is missing from the model"):
            SharedSpace.load(folder)
        folder.write_bytes(name, whole)
    folder.write_bytes("model.json", b"{")
    with pytest.raises(UserError, match=r"model\.json is damaged"):
        SharedSpace.load(folder)


def test_a_model_of_the_format_before_is_still_read(folder: Folder) -> None:
    about = {k: v for k, v in folder.read_json("model.json").items() if k not in {"files", "index"}}
    for view in (view for side in about["sides"].values() for view in side["views"]):
        del view["fingerprint"]
    folder.write_json("model.json", {**about, "format": 2})
    assert SharedSpace.load(folder).search("night", side="right", k=1)[0].id == "night"
    folder.write_json("model.json", {**about, "format": 99})
    with pytest.raises(UserError, match="model format 99"):
        SharedSpace.load(folder)


def test_an_encoder_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path).make()
    space(made_with="hashed-tfidf@1 scikit-learn==0.1").save(folder)
    with pytest.raises(UserError, match=r"made with the encoder hashed-tfidf@1 scikit-learn==0\.1, here is"):
        SharedSpace.load(folder).load_encoders()
    with pytest.raises(UserError, match="made with the encoder"):
        SharedSpace.load(folder).encode_left(["night"])


def test_cells_travel_with_the_model(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path).make()
    points = unit_rows(RNG.normal(size=(row_index.EXACT_ROWS + 1, 4)))
    big = Embeddings([f"{n:06d}" for n in range(len(points))], points)
    few = big.take(big.ids[:300])
    view = ModelView(encoder="given", dim=4)
    sides = {
        name: ModelSide("embedding", (view,), UnitRows(), index, {}, {})
        for name, index in (("left", few), ("right", big))
    }
    built = SharedSpace(sides, {})  # type: ignore[arg-type]
    built.save(folder)
    again = SharedSpace.load(folder)
    facts = again.about["index"]
    assert facts["left"]["kind"] == "exact" and facts["right"]["kind"] == "cells" and facts["right"]["recall"] > 0.97
    assert "right-index.faiss" in again.about["files"]
    query = points[9].tolist()
    assert [m.id for m in again.search(query, side="left")] == [m.id for m in built.search(query, side="left")]
    assert again.search(query, side="left", k=1)[0].id == "000009"


def test_an_item_encoded_among_others_has_the_same_bits(folder: Folder) -> None:
    loaded = SharedSpace.load(folder)
    together = loaded.encode_each("left", TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(loaded.encode_each("left", [text])[0], row)
    np.testing.assert_allclose(loaded.encode_left(TEXTS), together, rtol=1e-5, atol=1e-6)
