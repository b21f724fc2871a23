"""Settings of the neighbour graph. Imports nothing heavy: recipes read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from components.errors import UserError

Scale = Literal["local", "global"]
Policy = Literal["bridge", "largest", "error"]


@dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """A k-nearest-neighbour graph with Gaussian weights.

    Attributes:
        neighbours: neighbours of each row, itself not counted.
        scale_k: the Gaussian's scale is the distance to this neighbour (1 = nearest).
        scale: ``local`` = exp(-d^2 / (s_i s_j)) with a scale per row; ``global`` = exp(-d^2 / s^2), s their median.
        density: exponent alpha, 0 to 1: weights are divided by (d_i d_j)^alpha (Coifman & Lafon 2006).
        components: what to do if the graph is disconnected: ``bridge`` adds the shortest edges between the parts,
            ``largest`` keeps the largest part, ``error`` refuses.
        exact_below: with fewer rows than this neighbours are exact; above, k-means cells are searched.
    """

    neighbours: int = 15
    scale_k: int = 8
    scale: Scale = "local"
    density: float = 0.0
    components: Policy = "bridge"
    exact_below: int = 20_000

    def __post_init__(self) -> None:
        if self.neighbours < 2:
            raise UserError(f"neighbours is {self.neighbours}", where="graph.neighbours", do="allowed: 2 or more")
        if not 1 <= self.scale_k <= self.neighbours:
            raise UserError(f"scale_k is {self.scale_k}", where="graph.scale_k", do=f"allowed: 1 to {self.neighbours}")
        if not 0.0 <= self.density <= 1.0:
            raise UserError(f"density is {self.density}", where="graph.density", do="allowed: 0 to 1")
        _one_of("graph.scale", self.scale, get_args(Scale))
        _one_of("graph.components", self.components, get_args(Policy))


def _one_of(where: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f"{value!r} is not known", where=where, do=f"allowed: {', '.join(allowed)}")
