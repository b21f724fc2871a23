"""Nearest neighbours by FAISS: exact for few rows, k-means cells (IVF) for many. Deterministic for a seed.

Letters: ``N`` rows, ``Q`` queries, ``D`` dimensions, ``k`` neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from components.errors import UserError

CHUNK = 8192
# Rows of each k-means cell's training sample: FAISS' own lower limit, enough for balanced cells.
TRAIN_ROWS_PER_CELL = 39
# Cells are probed until this share of a sample's true neighbours is found.
TARGET_RECALL = 0.95
RECALL_SAMPLE, RECALL_NEIGHBOURS = 256, 16


@dataclass(frozen=True)
class Neighbours:
    """``indices`` [Q, k] int64 into the indexed rows and Euclidean ``distances`` [Q, k] float32, nearest first.

    Ties stand in order of the index. Where fewer than k rows were found, indices are -1 and distances infinite.
    """

    indices: np.ndarray
    distances: np.ndarray


class NeighbourIndex:
    """Euclidean nearest neighbours among ``rows`` [N, D].

    Args:
        rows: float32, finite.
        exact: search all rows; otherwise only the cells nearest to the query, as many as the recall asks for.
        seed: of the k-means that makes the cells, and of the sample that recall is measured on.

    Attributes:
        recall: 1 if exact; else the share of true neighbours found for a sample of the rows.
    """

    def __init__(self, rows: np.ndarray, *, exact: bool = True, seed: int = 0) -> None:
        self.rows = np.ascontiguousarray(rows, dtype=np.float32)
        self.recall = 1.0
        self._index = _flat(self.rows) if exact else make_cells(self.rows, seed)
        if not exact:
            self._probe_enough(np.random.default_rng(seed))

    def search(self, queries: np.ndarray, k: int) -> Neighbours:
        """The k nearest rows of each query [Q, D]; a query that is itself an indexed row finds itself first."""
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        k = min(k, len(self.rows))
        found = [self._search(queries[start : start + CHUNK], k) for start in range(0, len(queries), CHUNK)]
        if not found:
            return Neighbours(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
        return Neighbours(np.concatenate([f.indices for f in found]), np.concatenate([f.distances for f in found]))

    def _probe_enough(self, rng: np.random.Generator) -> None:
        """Double the cells searched until the sample's recall reaches the target."""
        k = min(RECALL_NEIGHBOURS, len(self.rows))
        sample = self.rows[rng.choice(len(self.rows), min(RECALL_SAMPLE, len(self.rows)), replace=False)]
        truth = _sorted(sample, self.rows, _flat(self.rows).search(sample, k)[1])
        self._index.nprobe = 4
        while True:
            self._index.nprobe = min(2 * self._index.nprobe, self._index.nlist)
            self.recall = recall(self._search(sample, k), truth)
            if self.recall >= TARGET_RECALL or self._index.nprobe == self._index.nlist:
                return

    def _search(self, queries: np.ndarray, k: int) -> Neighbours:
        _, indices = self._index.search(queries, k)
        return _sorted(queries, self.rows, indices)


def knn(rows: np.ndarray, k: int, *, exact: bool = True, seed: int = 0) -> Neighbours:
    """The k nearest *other* rows of each row [N, D]. Indices and distances are [N, k].

    Raises:
        UserError: there are not more than k rows.
    """
    if len(rows) <= k:
        raise UserError(
            f"a graph with {k} neighbours needs more than {k} rows, there are {len(rows)}",
            do="add unpaired rows or lower spectral.graph.neighbours",
        )
    found = NeighbourIndex(rows, exact=exact, seed=seed).search(rows, k + 1)
    return _without_self(found, k)


def recall(approximate: Neighbours, exact: Neighbours) -> float:
    """Share of the exact neighbours that the approximate search found, 0 to 1."""
    hits = [len(np.intersect1d(a, b)) for a, b in zip(approximate.indices, exact.indices, strict=True)]
    return float(np.sum(hits)) / exact.indices.size


def _flat(rows: np.ndarray) -> Any:
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    return index


def make_cells(rows: np.ndarray, seed: int) -> Any:
    """FAISS' index of rows [N, D] in 4 sqrt(N) cells of k-means; how many of them are searched is for the caller."""
    num_cells = max(1, round(4 * np.sqrt(len(rows))))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(rows.shape[1]), rows.shape[1], num_cells)
    index.cp.seed, index.cp.niter, index.cp.max_points_per_centroid = seed + 1, 5, TRAIN_ROWS_PER_CELL
    index.cp.min_points_per_centroid = 1
    index.train(rows)
    index.add(rows)
    return index


def _sorted(queries: np.ndarray, rows: np.ndarray, indices: np.ndarray) -> Neighbours:
    """FAISS computes |q|^2 + |x|^2 - 2qx, which is not 0 for equal rows: distances are taken anew from differences."""
    distances = np.full(indices.shape, np.inf, np.float32)
    for start in range(0, len(queries), 256):
        block = slice(start, start + 256)
        difference = rows[indices[block]] - queries[block, None, :]
        distances[block] = np.sqrt(np.einsum("qkd,qkd->qk", difference, difference))
    distances[indices < 0] = np.inf
    order = np.lexsort((indices, distances), axis=1)
    return Neighbours(np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1))


def _without_self(found: Neighbours, k: int) -> Neighbours:
    own = found.indices == np.arange(len(found.indices))[:, None]
    own[~own.any(1), -1] = True  # among many duplicates the row itself may be missing: drop the farthest instead
    keep = ~own
    return Neighbours(found.indices[keep].reshape(-1, k), found.distances[keep].reshape(-1, k))
