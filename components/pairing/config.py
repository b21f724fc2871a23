"""Settings of the choice of pairs. Fast to import: recipes need it."""

from __future__ import annotations

from dataclasses import dataclass

from components.checks import check_one_of, check_range

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
        check_one_of("method", self.method, METHODS)
        check_range("sharpness", self.sharpness, 0, above=True)
        check_range("density", self.density, -2, 2)
        check_range("ridge", self.ridge, 0, above=True)
        check_range("max_targets", self.max_targets, 16)
        check_range("shard_rows", self.shard_rows, 16)
