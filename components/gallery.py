"""What a point sees of one side of a model: the rows it is closest to, and what its confidence needs of all others.

Where the index is exact all scores are at hand. Where it is not, sums over all rows are taken as in Mussmann & Ermon,
"Learning and inference via maximum inner product search" (ICML 2016): the highest terms one by one, the others by a
sample that stands for them. Letters: ``N`` rows, ``K`` coordinates, ``m`` rows that are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.row_index import RowIndex, first

HEAD, SAMPLE = 256, 8192
MAX_SCORES = 4_000_000  # at a time


@dataclass(frozen=True)
class Seen:
    """Rows that a point was compared with.

    Attributes:
        rows: places of the rows. [m]
        scores: of these rows; -inf for one that may not be counted. [m]
        counts: rows that each stands for; None: one each. [m]
    """

    rows: np.ndarray
    scores: np.ndarray
    counts: np.ndarray | None = None


class Gallery:
    """The rows of a side.

    Args:
        index: of all of them.
        free: which have no known partner. [N]
        seed: of the sample that stands for the rows that are not among the first.
    """

    def __init__(self, index: RowIndex, free: np.ndarray, *, seed: int = 0) -> None:
        self.index, self.free = index, free
        self._free_places = np.flatnonzero(free)
        chosen = np.random.default_rng(seed).permutation(len(self._free_places))[:SAMPLE]
        self._sample = self._free_places[np.sort(chosen)]
        self._free_vectors = index.vectors[self._free_places if index.is_exact else self._sample]

    def top(self, point: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`components.row_index.RowIndex.top`."""
        return self.index.top(point, k)

    def see(self, point: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, Seen]:
        """The first ``k`` of all rows with their scores, and what is seen of the free ones; these ``k`` are in it."""
        if self.index.is_exact:
            scores = self.index.scores(point)
            places = first(scores, k)
            return places, scores[places], Seen(self._free_places, scores[self._free_places])
        places, scores = self.index.top(point, max(k, HEAD))
        return places[:k], scores[:k], self._sampled(point, places, scores)

    def columns(self, points: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Scores [b, m] of points [B, K] against the free rows and their counts, in blocks of b points."""
        if self.index.is_exact:
            step = max(1, MAX_SCORES // max(len(self._free_vectors), 1))
            for start in range(0, len(points), step):
                yield points[start : start + step] @ self._free_vectors.T, None
            return
        for point in points:
            seen = self._sampled(point, *self.index.top(point, HEAD))
            yield seen.scores[None], seen.counts[None] if seen.counts is not None else None

    def _sampled(self, point: np.ndarray, places: np.ndarray, scores: np.ndarray) -> Seen:
        head = np.where(self.free[places], scores, -np.inf)
        others = self._free_vectors @ point
        apart = ~np.isin(self._sample, places)
        rest = len(self._free_places) - int(self.free[places].sum())
        counts = np.concatenate([self.free[places], apart * (rest / max(int(apart.sum()), 1))])
        all_scores = np.concatenate([head, np.where(apart, others, -np.inf)])
        return Seen(np.concatenate([places, self._sample]), all_scores, counts)
