"""The MLflow model of a shared space, as code: MLflow copies this file next to the model's folder and runs it to load.

Input: a table with one column ``item`` of strings: the text itself, base64 of an image file, or a JSON list of numbers
for a side that was given as embeddings. On a side with several columns of texts or embeddings, a JSON object gives some
of them: ``{"name": "grinning face", "keywords": "smile, happy"}``. Parameters:

* ``op``: ``search`` (default), ``encode_left`` or ``encode_right``.
* ``side``: of the items of a search: ``left``, ``right`` or ``auto`` (the text side if there is one, else left).
* ``k``: matches per item, 1 to 1000.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from components.model import Side

MAX_ITEMS = 10_000
MATCH_COLUMNS = ("id", "score", "title", "confidence", "mutual", "paired")
OPS = ("search", "encode_left", "encode_right")


class SharedSpaceModel(PythonModel):
    """``predict`` over :class:`components.model.SharedSpace`."""

    def load_context(self, context: Any) -> None:
        from components.files import Folder
        from components.model import SharedSpace

        self.space = SharedSpace.load(Folder.at(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Matches (columns query, rank, id, score, title, confidence, mutual, paired; see
        :class:`components.model.Match`), or coordinates (query, coordinates: list of K numbers).

        Raises:
            ValueError: an unknown ``op`` or ``side``, a ``k`` out of range, or an item that the side cannot take.
        """
        params = params or {}
        op, k = str(params.get("op", "search")), int(params.get("k", 10))
        if op not in OPS:
            raise ValueError(f"op is {op!r}; allowed: {', '.join(OPS)}")
        if len(model_input) > MAX_ITEMS:
            raise ValueError(f"{len(model_input)} items; at most {MAX_ITEMS} at once")
        texts = [str(item) for item in model_input["item"]]
        if op == "search":
            return self._search(texts, self._side(str(params.get("side", "auto"))), k)
        side: Side = "left" if op == "encode_left" else "right"
        encode = self.space.encode_left if side == "left" else self.space.encode_right
        coordinates = encode(self._items(texts, side)).tolist() if texts else []
        return pd.DataFrame({"query": texts, "coordinates": coordinates})

    def _search(self, texts: list[str], side: Side, k: int) -> pd.DataFrame:
        if not 1 <= k <= 1000:
            raise ValueError(f"k is {k}; allowed: 1 to 1000")
        rows = [
            {"query": number, "rank": rank, **{name: getattr(match, name) for name in MATCH_COLUMNS}}
            for number, item in enumerate(self._items(texts, side))
            for rank, match in enumerate(self.space.search(item, side=side, k=k), start=1)
        ]
        return pd.DataFrame(rows, columns=["query", "rank", *MATCH_COLUMNS])

    def _side(self, side: str) -> Side:
        if side == "auto":
            side = next((name for name, modality in self.space.modalities.items() if modality == "text"), "left")
        if side == "left":
            return "left"
        if side == "right":
            return "right"
        raise ValueError(f"side is {side!r}; allowed: left, right, auto")

    def _items(self, texts: list[str], side: Side) -> list[Any]:
        modality = self.space.modalities[side]
        return [_decode(text, modality, number, self.space.columns(side)) for number, text in enumerate(texts)]


def _decode(text: str, modality: str, number: int, columns: list[str]) -> Any:
    from components.model_views import item_of

    try:
        if modality == "image":
            return base64.b64decode(text, validate=True)
        return item_of(text, modality, columns)
    except (binascii.Error, ValueError, TypeError) as error:
        expected = "base64 of an image file" if modality == "image" else "a JSON list of numbers"
        raise ValueError(f"item {number} is not {expected}") from error


set_model(SharedSpaceModel())
