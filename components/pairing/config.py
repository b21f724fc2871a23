"""Settings of the choice of pairs. Fast to import: recipes need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.errors import UserError

METHODS = ("facility-location", "k-medoids", "kernel-variance")
SIDES = ("left", "right", "both")
SELECTIONS = ("coverage", "random", "sequential")


@dataclass(frozen=True, kw_only=True)
class CoverageConfig:
    """How a set of items is judged that stands for its corpus.

    Letters: k(a, b) = exp(b (cos(a, b) - 1)) with cosines of centred rows. Of the sharpnesses and densities tried on
    three picture-text corpora the defaults were at the top (tied with density -1) for both sides, within noise for one.

    Attributes:
        method: ``facility-location``: the mean over the corpus of the similarity to the nearest chosen item;
            ``k-medoids``: rows nearest to the centres of spherical k-means; ``kernel-variance``: the posterior variance
            of a Gaussian process that the chosen items explain.
        sharpness: b. Small values look at the whole corpus, large ones only at an item's neighbourhood.
        density: rows of the corpus count as their density to this power: 0 counts all rows the same, 1 counts crowded
            regions more, -1 less.
        ridge: noise of the Gaussian process of ``kernel-variance``.
        max_targets: rows of the corpus that coverage is measured on, a sample by hash of the id above that.
        shard_rows: above this many candidates the choice goes in two rounds (GreeDi): within shards by hash of the id,
            then among the shards' choices. A bound of memory: a shard's similarities take 4 x shard_rows x 4,096 bytes.
            Raised to what a large budget needs.
        seed: of the hashes that order, sample and shard the ids.
    """

    method: str = "facility-location"
    sharpness: float = 1.0
    density: float = -0.5
    ridge: float = 0.5
    max_targets: int = 10_000
    shard_rows: int = 8192
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        _require(self.sharpness > 0, "sharpness", self.sharpness, "above 0")
        _require(-2 <= self.density <= 2, "density", self.density, "between -2 and 2")
        _require(self.ridge > 0, "ridge", self.ridge, "above 0")
        _require(self.max_targets >= 16, "max_targets", self.max_targets, "at least 16")
        _require(self.shard_rows >= 16, "shard_rows", self.shard_rows, "at least 16")


def one_of(where: str, value: str, allowed: Sequence[str]) -> None:
    """Raise UserError unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise UserError(f"{value!r} is not known", where=where, do=f"allowed: {', '.join(allowed)}")


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise UserError(f"{value!r} is not allowed", where=name, do=f"it must be {allowed}")
