"""What the service needs of a model, behind one interface: a space of two sides, or a bridge of three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from components.bridge_model import OPPOSITE, SEATS, BridgeModel
from components.files import Folder
from components.model import Found, SharedSpace, Side
from components.model_views import Item
from components.row_index import IndexFacts


class Served(Protocol):
    """A model that answers. Sides have the names that :meth:`describe` gives them."""

    def describe(self) -> dict[str, Any]:
        """What the front door has to know, as JSON: ``name``, a sentence ``about`` it, and of each of the ``sides``
        ``modality``, ``rows``, ``columns``, ``vector`` (numbers of an item given as one), ``thumbnails``, ``index``,
        ``opposite`` (the side to search by default), ``letter`` (a further name), ``spaces`` (sides to be compared
        with; of these an item's coordinates depend on which)."""
        ...

    def check_encoders(self) -> None:
        """Raises UserError if an encoder here is another than the model was made with."""
        ...

    def prepare(self) -> None:
        """Load and build now what the first question would wait for."""
        ...

    def encode_each(self, side: str, items: Sequence[Item], to: str | None) -> list[np.ndarray]:
        """Coordinates [K] of each item, as those of side ``to`` are compared with them. Raises UserError."""
        ...

    def stored(self, side: str, row: str, to: str | None) -> np.ndarray:
        """The same of a row of the model. Raises KeyError for an unknown id."""
        ...

    def search(self, point: np.ndarray, *, side: str, to: str, k: int, row: str | None) -> Found:
        """The ``k`` rows of side ``to`` closest to a point of ``side``; ``row``: which of the model's rows it is."""
        ...


def load_served(folder: Path, cache_dir: Path | None) -> Served:
    """The model of a folder, whichever kind it is. Raises UserError as its class does."""
    place = Folder.at(folder)
    if BridgeModel.is_at(place):
        return ServedBridge(BridgeModel.load(place, cache_dir))
    return ServedSpace(SharedSpace.load(place, cache_dir))


class ServedSpace:
    """Sides ``left`` and ``right``."""

    def __init__(self, space: SharedSpace) -> None:
        self.space = space

    def describe(self) -> dict[str, Any]:
        """See :class:`Served`."""
        space = self.space
        sides = {
            name: {
                **_side(space, name),
                "index": space.index(name).facts.to_json(),
                "opposite": "right" if name == "left" else "left",
                "letter": None,
                "spaces": [],
            }
            for name in space.sides
        }
        dim = space.sides["left"].index.dim
        about = f"Aligned by {space.about.get('aligner') or 'an aligner'} in {dim} dimensions."
        return {"name": space.about.get("name", ""), "about": about, "sides": sides}

    def check_encoders(self) -> None:
        """See :class:`Served`."""
        self.space.check_encoders()

    def prepare(self) -> None:
        """See :class:`Served`."""
        self.space.load_encoders()
        for side in self.space.sides:
            self.space.gallery(side)

    def encode_each(self, side: str, items: Sequence[Item], to: str | None) -> list[np.ndarray]:
        """See :class:`Served`."""
        return self.space.encode_each(cast(Side, side), items)

    def stored(self, side: str, row: str, to: str | None) -> np.ndarray:
        """See :class:`Served`."""
        return _row(self.space, cast(Side, side), row)

    def search(self, point: np.ndarray, *, side: str, to: str, k: int, row: str | None) -> Found:
        """See :class:`Served`."""
        asked, judge = cast(Side, side), self.space.judge
        matches = self.space.search_coordinates(point, to=cast(Side, to), k=k, asked=asked if side != to else None)
        if row is not None and judge and row in judge.paired[asked]:
            matches = [replace(m, confidence=None, mutual=None) for m in matches]  # its partner is known already
        return Found(matches, "dot product in the shared space")


class ServedBridge:
    """Sides by the names of the bridge."""

    def __init__(self, model: BridgeModel) -> None:
        self.model = model

    def describe(self) -> dict[str, Any]:
        """See :class:`Served`."""
        model = self.model
        b, estimator = model.names["b"], model.about["estimator"]
        about = (
            f"{model.names['a']} and {model.names['c']} were never paired: they are scored through "
            f"{len(model.prepared.bridge):,} items of {b} ({estimator})."
        )
        return {"name": model.about.get("name", ""), "about": about, "sides": dict(map(self._side, model.names))}

    def _side(self, letter: str) -> tuple[str, dict[str, Any]]:
        model, others = self.model, [n for s, n in self.model.names.items() if s != letter]
        (edge, side), *more = SEATS[letter]
        vectors = model.spaces[edge].sides[side].index.vectors
        return model.names[letter], {
            **_side(model.spaces[edge], side),
            "index": IndexFacts(kind="exact", rows=len(vectors), bytes=vectors.nbytes).to_json(),
            "opposite": model.names[OPPOSITE[letter]],
            "letter": letter,
            "spaces": others if more and not model.prepared.critics.same_space else [],
        }

    def check_encoders(self) -> None:
        """See :class:`Served`."""
        for space in self.model.spaces.values():
            space.check_encoders()

    def prepare(self) -> None:
        """See :class:`Served`."""
        for space in self.model.spaces.values():
            space.load_encoders()
        for end in ("a", "c"):
            self.model.offsets(end)

    def encode_each(self, side: str, items: Sequence[Item], to: str | None) -> list[np.ndarray]:
        """See :class:`Served`."""
        edge, place = self._seat(side, to)
        return self.model.spaces[edge].encode_each(place, items)

    def stored(self, side: str, row: str, to: str | None) -> np.ndarray:
        """See :class:`Served`."""
        edge, place = self._seat(side, to)
        return _row(self.model.spaces[edge], place, row)

    def search(self, point: np.ndarray, *, side: str, to: str, k: int, row: str | None) -> Found:
        """See :class:`Served`."""
        return self.model.search_point(point, asked=self._letter(side), to=self._letter(to), k=k)

    def _seat(self, side: str, to: str | None) -> Any:
        return self.model.seat(self._letter(side), self._letter(to or side))

    def _letter(self, name: str) -> str:
        letter = self.model.side(name)
        assert letter is not None  # the front door knows the names
        return letter


def _side(space: SharedSpace, name: Side) -> dict[str, Any]:
    """Facts of a side that do not depend on the kind of model."""
    side = space.sides[name]
    return {
        "modality": side.modality,
        "rows": len(side.index),
        "columns": space.columns(name),
        "vector": space.dim(name) if side.modality == "embedding" else None,
        "thumbnails": bool(side.thumbnails),
    }


def _row(space: SharedSpace, side: Side, row: str) -> np.ndarray:
    """Ids are looked up among the rows of the model, never in a file system."""
    index = space.sides[side].index
    if row not in index.index:
        raise KeyError(row)
    point: np.ndarray = index.rows([row])[0]
    return point
