"""What travels between the front door and the replicas, and what a replica makes of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from components.corpora.images import BadImage
from components.errors import UserError
from components.files import Folder
from components.model import Match, SharedSpace, Side
from components.model_views import Item


class Refused(Exception):
    """The client's mistake: an HTTP status of 400 to 499 and one sentence."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status, self.told = status, told


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question.

    Attributes:
        side: of the items.
        items: to encode; one of them for a search.
        row: id of a stored row of ``side`` to search with, instead of an item.
        to: side to search; None: only encode.
        k: matches wanted.
        thumbnails: whether pictures come along.
    """

    side: str
    items: tuple[Item, ...] = ()
    row: str | None = None
    to: str | None = None
    k: int = 10
    thumbnails: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``refused`` is an HTTP status and ``told`` the sentence; otherwise one of the others is given."""

    matches: tuple[dict[str, Any], ...] | None = None
    coordinates: tuple[list[float], ...] | None = None
    refused: int = 0
    told: str = ""


def load_space(folder: Path, cache_dir: Path | None) -> SharedSpace:
    """A model that can answer at once: encoders loaded, indexes ready. Raises UserError as :class:`SharedSpace`."""
    space = SharedSpace.load(Folder.at(folder), cache_dir)
    space.load_encoders()
    for side in space.sides:
        space.gallery(side)
    return space


def describe(space: SharedSpace) -> dict[str, Any]:
    """What the front door has to know of a model."""
    sides = {}
    for name, side in space.sides.items():
        index = space.index(name).facts.to_json()
        sides[name] = {
            "modality": side.modality,
            "rows": len(side.index),
            "columns": space.columns(name),
            "vector": space.dim(name) if side.modality == "embedding" else None,
            "thumbnails": bool(side.thumbnails),
            "index": index,
        }
    dim = next(iter(space.sides.values())).index.dim
    return {
        "name": space.about.get("name", ""),
        "aligner": space.about.get("aligner", ""),
        "dim": dim,
        "confidence": space.judge is not None,
        "sides": sides,
    }


class Worker:
    """Answers batches of questions by a model."""

    def __init__(self, space: SharedSpace) -> None:
        self.space = space

    def answer(self, asks: Sequence[Ask]) -> list[Answer]:
        """One answer per question, each the same to the bit whatever is asked beside it.

        The questions of a side are encoded together. If that fails, each goes alone, so that only the guilty
        is refused.
        """
        found: dict[int, Answer] = {}
        for side in dict.fromkeys(ask.side for ask in asks):
            chosen = [n for n, ask in enumerate(asks) if ask.side == side]
            try:
                answers = self._together(cast(Side, side), [asks[n] for n in chosen])
            except Exception:
                answers = [self._alone(asks[n]) for n in chosen]
            found.update(zip(chosen, answers, strict=True))
        return [found[n] for n in range(len(asks))]

    def _alone(self, ask: Ask) -> Answer:
        try:
            return self._together(cast(Side, ask.side), [ask])[0]
        except Refused as error:
            return Answer(refused=error.status, told=error.told)
        except BadImage as error:
            return Answer(refused=415, told=f"the picture cannot be used: {error}")
        except UserError as error:
            return Answer(refused=422, told=f"{error.what}; {error.do}" if error.do else error.what)

    def _together(self, side: Side, asks: Sequence[Ask]) -> list[Answer]:
        items = [item for ask in asks for item in ask.items]
        rows = iter(self.space.encode_each(side, items) if items else ())
        return [self._one(side, ask, [next(rows) for _ in ask.items]) for ask in asks]

    def _one(self, side: Side, ask: Ask, points: list[np.ndarray]) -> Answer:
        if ask.row is not None:
            points = [self._stored(side, ask.row)]
        if ask.to is None:
            return Answer(coordinates=tuple(p.tolist() for p in points))
        to = cast(Side, ask.to)
        matches = self.space.search_coordinates(points[0], to=to, k=ask.k, asked=side if side != to else None)
        if ask.row is not None and self.space.judge and ask.row in self.space.judge.paired[side]:
            matches = [replace(m, confidence=None, mutual=None) for m in matches]  # its partner is known already
        return Answer(matches=tuple(_shown(m, ask.thumbnails) for m in matches))

    def _stored(self, side: Side, row: str) -> np.ndarray:
        """Ids are looked up among the rows of the model, never in a file system."""
        index = self.space.sides[side].index
        if row not in index.index:
            raise Refused(404, f"no row of the {side} side has this id")
        point: np.ndarray = index.rows([row])[0]
        return point


def _shown(match: Match, thumbnails: bool) -> dict[str, Any]:
    shown = {
        "id": match.id,
        "title": match.title,
        "score": match.score,
        "confidence": match.confidence,
        "mutual": match.mutual,
        "paired": match.paired,
    }
    if thumbnails:
        picture = match.thumbnail
        shown["thumbnail"] = f"data:image/png;base64,{base64.b64encode(picture).decode()}" if picture else None
    return shown
