"""BridgeModel: two shared spaces, A–B and B–C, joined by the rows of B that both have. One folder; searches any side.

Files of the folder: ``ab/`` and ``bc/``, each a whole :class:`components.model.SharedSpace`; ``bridge.json`` (names of
the sides, critics, estimator) and ``bridge.parquet`` (ids of the bridge and their log weights for either edge).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from components.bridging.bridge import Bridge
from components.bridging.critic import Critic
from components.bridging.estimators import check_bridge
from components.bridging.fitted import read_pair
from components.bridging.prepared import PreparedBridge
from components.bridging.scores import BridgeOptions
from components.errors import UserError
from components.files import Folder, file_digest
from components.model import Found, SharedSpace, Side, check_files
from components.model_views import Item

FORMAT = 1
CARD, BRIDGE = "bridge.json", "bridge.parquet"
Edge = Literal["ab", "bc"]
SEATS: dict[str, tuple[tuple[Edge, Side], ...]] = {
    "a": (("ab", "left"),),
    "b": (("ab", "right"), ("bc", "left")),
    "c": (("bc", "right"),),
}
"""Where each side is: B in both spaces."""


OPPOSITE = {"a": "c", "b": "a", "c": "a"}


class BridgeModel:
    """Three sides that can be searched with each other."""

    def __init__(self, spaces: Mapping[Edge, SharedSpace], prepared: PreparedBridge, about: Mapping[str, Any]) -> None:
        self.spaces, self.prepared, self.about = dict(spaces), prepared, dict(about)
        self.names: dict[str, str] = dict(about["names"])
        self._offsets: dict[str, np.ndarray] = {}

    @classmethod
    def is_at(cls, folder: Folder) -> bool:
        return folder.exists(CARD)

    @classmethod
    def load(cls, folder: Folder, cache_dir: Path | None = None) -> BridgeModel:
        """Read a model folder.

        Raises:
            UserError: no such model, one of another format, with a missing or damaged file or scale, or with critics
                of other dimensions than its rows.
        """
        if not cls.is_at(folder):
            raise UserError("no bridge here", where=folder.path, do="run a bridge recipe first or name its folder")
        try:
            about = folder.read_json(CARD)
        except ValueError:
            raise UserError(f"{CARD} is damaged", where=folder.path, do="export the model again") from None
        if about.get("format") != FORMAT:
            raise UserError(f"bridge format {about.get('format')} is not {FORMAT}", where=folder.path)
        check_files(folder, about.get("files", {}))
        spaces: dict[Edge, SharedSpace] = {
            "ab": SharedSpace.load(folder.sub("ab"), cache_dir),
            "bc": SharedSpace.load(folder.sub("bc"), cache_dir),
        }
        table = folder.read_table(BRIDGE)
        weights = [table[edge].to_numpy(zero_copy_only=False) for edge in ("weight_ab", "weight_bc")]
        return cls(spaces, _prepared(spaces, table["id"].to_pylist(), weights, about), about)

    def save(self, folder: Folder) -> None:
        """Write the model folder."""
        for edge, space in self.spaces.items():
            space.save(folder.sub(edge))
        write_card(folder, self.prepared, self.about)

    @property
    def modalities(self) -> dict[str, str]:
        """Name of each side -> ``image``, ``text`` or ``embedding``."""
        return {self.names[s]: self.spaces[edge].modalities[side] for s, ((edge, side), *_) in SEATS.items()}

    def side(self, name: str) -> str | None:
        """``a``, ``b`` or ``c`` of a side's name (or of the letter itself); None for another name."""
        return {**{s: s for s in SEATS}, **{n: s for s, n in self.names.items()}}.get(name)

    def seat(self, asked: str, to: str) -> tuple[Edge, Side]:
        """The space, and the side of it, in which an item of side ``asked`` is compared with those of side ``to``."""
        edge = _shared_edge(asked, to)
        return SEATS[asked][0] if edge is None else (edge, _end(asked, edge))

    def search(self, query: Item, *, asked: str, to: str, k: int = 10) -> Found:
        """The ``k`` rows of side ``to`` likeliest to belong to one raw item of side ``asked`` (a, b or c).

        Across the bridge a score is an estimated log p(match | query) / p(match).

        Raises:
            UserError: an item of another kind, ``k`` below 1.
        """
        edge, side = self.seat(asked, to)
        return self.search_point(self.spaces[edge].encode(side, [query])[0], asked=asked, to=to, k=k)

    def search_point(self, point: np.ndarray, *, asked: str, to: str, k: int = 10) -> Found:
        """The same of a point [K] with the coordinates that :meth:`seat` says."""
        if k < 1:
            raise UserError(f"k is {k}", do="ask for at least one match")
        edge = _shared_edge(asked, to)
        return (
            self._across(point[None], asked, to, k) if edge is None else self._within(point[None], asked, to, edge, k)
        )

    def _across(self, point: np.ndarray, asked: str, to: str, k: int) -> Found:
        (space, right), b = SEATS[to][0], self.names["b"]
        gallery = self.spaces[space].sides[right].index.vectors
        a, c = (point, gallery) if asked == "a" else (gallery, point)
        known = {to: self.offsets(to)}
        scores = self.prepared.estimate(self.about["estimator"], a, c, self._options(), known)
        row, ess = (scores.scores[0], scores.ess[0]) if asked == "a" else (scores.scores[:, 0], scores.ess[:, 0])
        matches = self.spaces[space].matches(row, to=right, k=k)
        best = float(ess[int(np.argmax(row))])
        meaning = f"estimated log p(match | query) / p(match), through {len(self.prepared.bridge):,} items of {b}"
        return Found(matches, meaning, best if np.isfinite(best) else None, tuple(self._low(best)))

    def _within(self, point: np.ndarray, asked: str, to: str, edge: Edge, k: int) -> Found:
        """One space is enough: the critic's own score."""
        space, goal = self.spaces[edge], _end(to, edge)
        critic: Critic = getattr(self.prepared.critics, edge)
        scores = critic.score(point, space.sides[goal].index.vectors)[0]
        ends = " and ".join(self.names[letter] for letter in edge)
        meaning = f"estimated log p(match | query) / p(match) up to constants, by the critic of {ends}"
        return Found(space.matches(scores, to=goal, k=k), meaning)

    def offsets(self, letter: str) -> np.ndarray:
        """What balances all rows of side ``a`` or ``c``; as long to make as a search, so only once. [N]"""
        if letter not in self._offsets:
            (edge, side), *_ = SEATS[letter]
            self._offsets[letter] = self.prepared.offsets(letter, self.spaces[edge].sides[side].index.vectors)
        return self._offsets[letter]

    def _options(self) -> BridgeOptions:
        return BridgeOptions(**self.about["options"])

    def _low(self, ess: float) -> list[str]:
        floor = self.about["options"]["ess_floor"]
        if ess >= floor:
            return []
        return [f"the best match rests on {ess:.1f} items of the bridge (fewer than {floor:g}): it is a weak one"]


def write_card(folder: Folder, prepared: PreparedBridge, about: Mapping[str, Any]) -> None:
    """Write ``bridge.json`` and ``bridge.parquet`` beside the two spaces."""
    pair = prepared.critics
    critics = {"ab": pair.ab.to_json(), "bc": pair.bc.to_json(), "same_space": pair.same_space}
    columns = {"id": list(prepared.bridge.ids), "weight_ab": prepared.weights_ab, "weight_bc": prepared.weights_bc}
    folder.write_table(BRIDGE, pa.table(columns))
    files = {BRIDGE: file_digest(folder, BRIDGE)}  # the spaces have those of their own
    card = {**about, "format": FORMAT, "critics": critics, "balanced": prepared.balanced, "files": files}
    folder.write_json(CARD, card)


def _prepared(
    spaces: Mapping[Edge, SharedSpace], ids: list[str], weights: list[np.ndarray], about: Mapping[str, Any]
) -> PreparedBridge:
    critics = read_pair(about["critics"])
    bridge = Bridge(
        ids,
        spaces["ab"].sides["right"].index.rows(ids),
        spaces["bc"].sides["left"].index.rows(ids),
        weights[0] + weights[1],
        critics.same_space,
    )
    check_bridge(bridge, critics)
    return PreparedBridge(bridge, critics, weights[0], weights[1], bool(about["balanced"]))


def _shared_edge(asked: str, to: str) -> Edge | None:
    """An edge whose space has both sides."""
    edges: tuple[Edge, ...] = ("ab", "bc")
    return next((e for e in edges if all(any(e == edge for edge, _ in SEATS[s]) for s in (asked, to))), None)


def _end(letter: str, edge: Edge) -> Side:
    """Which side of the edge's space it is."""
    return next(side for e, side in SEATS[letter] if e == edge)
