"""Fitted critics of both edges in one form, however they were made: critics, and maps of raw rows to what they see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.bridging.critic import Critic, CriticPair
from components.files import Place
from components.transforms import Transform, load_transform, save_transform

ROWS = ("a", "b_first", "b_second", "c")
CARD = "critics.json"


@dataclass(frozen=True, kw_only=True)
class FittedCritics:
    """Critics and maps.

    Attributes:
        critics: of both edges.
        maps: of ``ROWS``: a side's raw rows [N, D] -> rows that its critic compares [N, d]; ``b_first`` belongs to A–B,
            ``b_second`` to B–C.
        edges: edge -> what its known pairs say out of fold: at least ``loss`` (nats), ``chance``, ``recall``; empty if
            nothing is known of them.
    """

    critics: CriticPair
    maps: Mapping[str, Transform]
    edges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def rows(self, which: str, raw: np.ndarray) -> np.ndarray:
        """Mapped rows [N, d], one of ``ROWS``."""
        return self.maps[which](raw)

    @property
    def loss(self) -> float:
        """Sum over both edges of the out-of-fold loss over chance: 0 knows nothing, lower is better."""
        return float(sum(e["loss"] - e["chance"] for e in self.edges.values()))

    def write(self, place: Place) -> None:
        """Write ``critics.json`` and the maps."""
        pair = self.critics
        card = {"ab": pair.ab.to_json(), "bc": pair.bc.to_json(), "same_space": pair.same_space, "edges": self.edges}
        place.write_json(CARD, card)
        for name, transform in self.maps.items():
            save_transform(place, name, transform)

    @classmethod
    def read(cls, place: Place) -> FittedCritics:
        """What :meth:`write` wrote. Raises UserError for a card without a scale."""
        card = place.read_json(CARD)
        maps = {name: load_transform(place, name) for name in ROWS}
        return cls(critics=read_pair(card), maps=maps, edges=card["edges"])


def read_pair(card: Mapping[str, Any]) -> CriticPair:
    """``{"ab": card, "bc": card, "same_space": …}``. Raises UserError for a card without kind, scale or dimension."""
    ab, bc = (Critic.from_json(card.get(edge), where=f"critic {edge}") for edge in ("ab", "bc"))
    return CriticPair(ab, bc, bool(card.get("same_space")))
