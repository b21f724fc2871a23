"""Settings of the neighbour graph. Imports nothing heavy: recipes read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from components.checks import check_one_of, check_range

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
        check_range("graph.neighbours", self.neighbours, 2)
        check_range("graph.scale_k", self.scale_k, 1, self.neighbours)
        check_range("graph.density", self.density, 0, 1)
        check_one_of("graph.scale", self.scale, get_args(Scale))
        check_one_of("graph.components", self.components, get_args(Policy))
