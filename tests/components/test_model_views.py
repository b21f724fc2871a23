"""Raw items become rows view by view; what an item lacks is NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.errors import UserError
from components.model_views import Item, ModelView, encode_views, item_of


class Letters:
    """Counts of some letters; remembers what it was given."""

    def __init__(self, letters: str) -> None:
        self.letters, self.dim, self.seen = letters, len(letters), []  # type: ignore[var-annotated]

    def encode(self, items: list[Any]) -> np.ndarray:
        self.seen.append(list(items))
        return np.array([[str(i).count(c) for c in self.letters] for i in items], np.float32)


ENCODERS = ("ab", "xyz")
ONE_TEXT = [ModelView(encoder=e, dim=len(e)) for e in ENCODERS]
TWO_TEXTS = [ModelView(encoder=e, column=c, dim=len(e)) for c in ("name", "words") for e in ENCODERS]


def encode(views: list[ModelView], items: list[Item], modality: str = "text") -> tuple[np.ndarray, dict[str, Letters]]:
    loaded = {name: Letters(name) for name in ENCODERS}
    return encode_views(views, items, modality=modality, side="right", load=loaded.__getitem__), loaded


def test_every_encoder_sees_every_item() -> None:
    got, _ = encode(ONE_TEXT, ["aab", "zx"])
    np.testing.assert_array_equal(got, [[2, 1, 0, 0, 0], [0, 0, 1, 0, 1]])
    got, _ = encode(ONE_TEXT, [b"aab"], modality="image")
    assert got.shape == (1, 5)


def test_a_plain_text_stands_for_every_column_and_is_encoded_once() -> None:
    got, loaded = encode(TWO_TEXTS, ["abz"])
    np.testing.assert_array_equal(got, [[1, 1, 0, 0, 1] * 2])
    assert [e.seen for e in loaded.values()] == [[["abz"]], [["abz"]]]


def test_a_mapping_gives_some_columns_and_the_rest_is_missing() -> None:
    got, loaded = encode(TWO_TEXTS, [{"words": "a"}, {"name": "b", "words": "x"}])
    nan = np.nan
    np.testing.assert_array_equal(got[0], [nan, nan, nan, nan, nan, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(got[1], [0, 1, 0, 0, 0, 0, 0, 1, 0, 0])
    assert loaded["ab"].seen == [["b"], ["a", "x"]]


def test_vectors_come_whole_or_by_column() -> None:
    views = [ModelView(encoder="given", column=c, dim=d) for c, d in (("dino", 2), ("clip", 1))]
    load: Any = None
    for items in ([[1, 2, 3]], [{"dino": [1, 2], "clip": [3]}]):
        np.testing.assert_array_equal(
            encode_views(views, items, modality="embedding", side="left", load=load), [[1, 2, 3]]
        )
    lacking = encode_views(views, [{"clip": [3]}], modality="embedding", side="left", load=load)
    np.testing.assert_array_equal(lacking, [[np.nan, np.nan, 3]])
    for wrong, told in (([[1, 2]], "has 2 numbers; the left side takes 3"), ([[1, 2, 3], [1]], "of one length")):
        with pytest.raises(UserError, match=told):
            encode_views(views, wrong, modality="embedding", side="left", load=load)
    with pytest.raises(UserError, match="a vector of dino has the shape"):
        encode_views(views, [{"dino": [1]}], modality="embedding", side="left", load=load)


def test_refusals() -> None:
    with pytest.raises(UserError, match="the right side takes texts"):
        encode(ONE_TEXT, [b"x"])
    with pytest.raises(UserError, match=r"'title'.*give some of name, words"):
        encode(TWO_TEXTS, [{"title": "a"}])
    with pytest.raises(UserError, match="give a plain item"):
        encode(ONE_TEXT, [{"name": "a"}])


def test_items_in_one_line() -> None:
    columns = ["name", "words"]
    assert item_of("a smile", "text", columns) == "a smile"
    assert item_of('{"name": "a"}', "text", columns) == {"name": "a"}
    for text in ('{"name": 1}', '{"other": "a"}', "{not json", "{}"):
        assert item_of(text, "text", columns) == text
    assert item_of('{"name": "a"}', "text", []) == '{"name": "a"}'
    assert item_of("[1, 2]", "embedding", []) == [1.0, 2.0]
    assert item_of('{"dino": [1]}', "embedding", ["dino", "clip"]) == {"dino": [1.0]}
    for text in ("1 2", "[1, NaN]", '{"dino": [1e999]}'):
        with pytest.raises(ValueError):
            item_of(text, "embedding", ["dino"])
