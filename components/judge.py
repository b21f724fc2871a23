"""How sure the matches of an exported model are: ``confidence.json`` of the model's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from components.evaluation.confidence import Confidence, Counts
from components.files import Folder
from components.gallery import Gallery, Seen

FILE = "confidence.json"


@dataclass(frozen=True)
class Verdict:
    """About one match; see :class:`components.model.Match`."""

    confidence: float | None
    mutual: bool | None
    paired: bool


@dataclass(frozen=True)
class Judge:
    """The calibration, and which rows have their partner already.

    Attributes:
        model: of the exported maps.
        paired: ids of either side that the model was fitted on as pairs. They have their partner, so they cannot be
            another's, and as the model was fitted to them they would stand too high: nothing is promised about them.
        about: further content of the file: estimates of recall.
    """

    model: Confidence
    paired: Mapping[Literal["left", "right"], frozenset[str]]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Folder) -> Judge | None:
        """Of a model's folder; None if it has none (too few known pairs)."""
        if not folder.exists(FILE):
            return None
        value = folder.read_json(FILE)
        paired: dict[Literal["left", "right"], frozenset[str]] = {
            "left": frozenset(value["paired"]["left"]),
            "right": frozenset(value["paired"]["right"]),
        }
        about = {k: v for k, v in value.items() if k not in {"model", "paired"}}
        return cls(Confidence.from_json(value["model"]), paired, about)

    def write(self, folder: Folder) -> None:
        """Write ``confidence.json``."""
        paired = {side: sorted(ids) for side, ids in self.paired.items()}
        folder.write_json(FILE, {**self.about, "model": self.model.to_json(), "paired": paired})

    def free(self, side: Literal["left", "right"], ids: list[str]) -> np.ndarray:
        """Which rows have no known partner. [N] booleans"""
        return np.array([i not in self.paired[side] for i in ids], dtype=bool)

    def verdicts(self, matches: np.ndarray, seen: Seen, found: Gallery, own: Gallery) -> list[Verdict]:
        """One per match.

        Args:
            matches: places of the matches among the rows of the other side. [k]
            seen: what the query sees of that side; the matches without a known partner are in it.
            found: that side.
            own: the query's side.
        """
        verdicts = {int(n): Verdict(None, None, True) for n in matches if not found.free[n]}
        asked = [int(n) for n in matches if found.free[n]]
        places = np.array([int(np.flatnonzero(seen.rows == n)[0]) for n in asked], dtype=np.int64)
        row = np.broadcast_to(1.0, seen.scores.shape) if seen.counts is None else seen.counts
        start = 0
        for columns, counts in own.columns(found.index.vectors[asked]):
            some = slice(start, start + len(columns))
            counted = Counts(row, np.broadcast_to(1.0, columns.shape) if counts is None else counts)
            judged = self.model.judge(seen.scores, places[some], columns, counts=counted)
            for n, confidence, mutual in zip(asked[some], judged.confidence, judged.mutual, strict=True):
                verdicts[n] = Verdict(float(confidence), bool(mutual), False)
            start += len(columns)
        return [verdicts[int(n)] for n in matches]
