"""The bridge: items of B, each embedded by both models. Letters: ``M`` items, ``D1, D2`` dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from components.bridging.critic import CriticPair
from components.errors import UserError

_CHECKED_ROWS = 65536


@dataclass(frozen=True)
class Bridge:
    """Items b ~ p(b): row m of ``first`` and of ``second`` is the same item.

    Attributes:
        ids: [M], unique.
        first: in the space of the critic A–B. [M, D1]
        second: in the space of the critic B–C. [M, D2]
        log_weights: logarithms of importance weights; None weighs all alike. [M]
        same_space: both are one encoder's embeddings.
    """

    ids: Sequence[str]
    first: np.ndarray
    second: np.ndarray
    log_weights: np.ndarray | None = None
    same_space: bool = False

    def __post_init__(self) -> None:
        if len(self.ids) == 0:
            raise UserError("the bridge is empty", do="give items of B, embedded by both models")
        for name in ("first", "second"):
            rows = getattr(self, name)
            if rows.ndim != 2 or rows.shape[1] == 0:
                raise UserError(f"the {name} rows of the bridge have the shape {list(rows.shape)}")
            if len(rows) != len(self.ids):
                raise UserError(
                    f"{len(rows)} {name} rows for {len(self.ids)} items of the bridge",
                    do="embed the same items by both models; row m of both must be the same item",
                )
            self._check_finite(name, rows)
        if self.same_space and self.first.shape[1] != self.second.shape[1]:
            raise UserError("a bridge of one space has first and second rows of different dimensions")
        if self.log_weights is not None and (
            self.log_weights.shape != (len(self.ids),) or not np.isfinite(self.log_weights).all()
        ):
            raise UserError(
                "the bridge's log weights are not one finite number an item", do="leave out weights of zero"
            )

    def _check_finite(self, name: str, rows: np.ndarray) -> None:
        for start in range(0, len(rows), _CHECKED_ROWS):  # not all at once: the bridge may be most of the memory
            bad = ~np.isfinite(rows[start : start + _CHECKED_ROWS]).all(axis=1)
            if bad.any():
                item = self.ids[start + int(np.flatnonzero(bad)[0])]
                raise UserError(f"item {item!r} of the bridge has a NaN or infinite value in its {name} row")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray | slice) -> Bridge:
        """Some of the items; a slice copies no embeddings."""
        ids = self.ids[rows] if isinstance(rows, slice) else [self.ids[int(r)] for r in rows]
        weights = None if self.log_weights is None else self.log_weights[rows]
        return Bridge(ids, self.first[rows], self.second[rows], weights, self.same_space)

    def shards(self, count: int) -> list[Bridge]:
        """At most ``count`` contiguous parts that are the bridge together."""
        edges = np.unique(np.linspace(0, len(self), count + 1).round().astype(int))
        return [self.take(slice(int(a), int(b))) for a, b in pairwise(edges)]

    def folds(self, count: int, seed: int) -> np.ndarray:
        """A random fold 0..count-1 for each item, of equal sizes; by id, so that the order of rows does not matter.

        [M]
        """
        order = np.argsort(np.asarray(self.ids, dtype=object), kind="stable")
        numbers = np.empty(len(self), np.int64)
        numbers[order] = np.random.default_rng([seed, 7]).permutation(len(self)) % count
        return numbers

    def log_mass(self) -> float:
        """log Σ weights; log M without weights."""
        if self.log_weights is None:
            return float(np.log(len(self)))
        top = float(self.log_weights.max())
        return top + float(np.log(np.exp(self.log_weights - top).sum()))


@dataclass(frozen=True)
class Moments:
    """``mean`` [D1 + D2] and ``covariance`` [D1 + D2, D1 + D2] of the joined rows [first, second] as the critics see
    them, weighted; of ``count`` items."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int


def joined_chunks(bridge: Bridge, critics: CriticPair, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of at most ``rows`` joined rows [*, D1 + D2] float64 with their log weights [*]."""
    for start in range(0, len(bridge), rows):
        part = slice(start, start + rows)
        x = np.concatenate(
            [
                critics.ab.rows(bridge.first[part], "the bridge's first side"),
                critics.bc.rows(bridge.second[part], "the bridge's second side"),
            ],
            axis=1,
        )
        yield x, np.zeros(len(x)) if bridge.log_weights is None else bridge.log_weights[part]


def moments(bridge: Bridge, critics: CriticPair, rows: int = 8192) -> Moments:
    """Weighted mean and covariance, streamed. A bridge of one item has no spread: zero covariance."""
    mass, total, square = bridge.log_mass(), 0.0, 0.0
    shift = next(joined_chunks(bridge, critics, 1))[0][0]  # near the rows: no digits are lost to a large mean
    for x, log_weights in joined_chunks(bridge, critics, rows):
        weights, near = np.exp(log_weights - mass), x - shift
        total, square = total + weights @ near, square + (near.T * weights) @ near
    covariance = square - np.outer(total, total)
    return Moments(np.asarray(shift + total), np.asarray((covariance + covariance.T) / 2), len(bridge))
