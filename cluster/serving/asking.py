"""What travels between the front door and the replicas, and what a replica makes of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.serving.served import Served
from components.corpora.images import BadImage
from components.errors import UserError
from components.model import Match
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
        to: side to search, or that coordinates are to be compared with.
        search: whether it is to be searched; else the items are only encoded.
        k: matches wanted.
        thumbnails: whether pictures come along.
    """

    side: str
    items: tuple[Item, ...] = ()
    row: str | None = None
    to: str | None = None
    search: bool = True
    k: int = 10
    thumbnails: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``refused`` is an HTTP status and ``told`` the sentence; otherwise one of the others is given."""

    found: dict[str, Any] | None = None
    coordinates: tuple[list[float], ...] | None = None
    refused: int = 0
    told: str = ""


class Worker:
    """Answers batches of questions by a model."""

    def __init__(self, model: Served) -> None:
        self.model = model

    def answer(self, asks: Sequence[Ask]) -> list[Answer]:
        """One answer per question, each the same to the bit whatever is asked beside it.

        The questions from one side to another are encoded together. If that fails, each goes alone, so that only the
        guilty is refused.
        """
        found: dict[int, Answer] = {}
        for way in dict.fromkeys((ask.side, ask.to) for ask in asks):
            chosen = [n for n, ask in enumerate(asks) if (ask.side, ask.to) == way]
            try:
                answers = self._together([asks[n] for n in chosen])
            except Exception:
                answers = [self._alone(asks[n]) for n in chosen]
            found.update(zip(chosen, answers, strict=True))
        return [found[n] for n in range(len(asks))]

    def _alone(self, ask: Ask) -> Answer:
        try:
            return self._together([ask])[0]
        except Refused as error:
            return Answer(refused=error.status, told=error.told)
        except BadImage as error:
            return Answer(refused=415, told=f"the picture cannot be used: {error}")
        except UserError as error:
            return Answer(refused=422, told=f"{error.what}; {error.do}" if error.do else error.what)

    def _together(self, asks: Sequence[Ask]) -> list[Answer]:
        side, to = asks[0].side, asks[0].to
        items = [item for ask in asks for item in ask.items]
        points = iter(self.model.encode_each(side, items, to) if items else ())
        return [self._one(ask, [next(points) for _ in ask.items]) for ask in asks]

    def _one(self, ask: Ask, points: list[np.ndarray]) -> Answer:
        if ask.row is not None:
            try:
                points = [self.model.stored(ask.side, ask.row, ask.to)]
            except KeyError:
                raise Refused(404, f"no row of the {ask.side} side has this id") from None
        if not ask.search:
            return Answer(coordinates=tuple(p.tolist() for p in points))
        found = self.model.search(points[0], side=ask.side, to=ask.to or ask.side, k=ask.k, row=ask.row)
        matches = tuple(_shown(m, ask.thumbnails) for m in found.matches)
        return Answer(found={**vars(found), "matches": matches})


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
