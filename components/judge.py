"""How sure the matches of an exported model are: ``confidence.json`` of the model's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from components.evaluation.confidence import Confidence
from components.files import Folder

FILE = "confidence.json"
MAX_SCORES = 4_000_000  # at a time


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

    def verdicts(self, scores: np.ndarray, free: np.ndarray, found: Matrices, best: np.ndarray) -> list[Verdict]:
        """One per match.

        Args:
            scores: of the query against all rows of the other side. [N]
            free: which of those rows have no known partner. [N]
            found: coordinates of those rows, and of the free rows of the query's side.
            best: places of the matches in ``scores``. [k]
        """
        place = np.cumsum(free) - 1
        verdicts = {int(n): Verdict(None, None, True) for n in best if not free[n]}
        asked = [int(n) for n in best if free[n]]
        step = max(1, MAX_SCORES // max(len(found.own), 1))
        for start in range(0, len(asked), step):
            some = asked[start : start + step]
            judged = self.model.judge(scores[free], place[some], found.others[some] @ found.own.T)
            for n, confidence, mutual in zip(some, judged.confidence, judged.mutual, strict=True):
                verdicts[n] = Verdict(float(confidence), bool(mutual), False)
        return [verdicts[int(n)] for n in best]


@dataclass(frozen=True)
class Matrices:
    """Coordinates in the shared space: ``others`` [N, K] that are searched, ``own`` [M, K] of the query's side."""

    others: np.ndarray
    own: np.ndarray
