"""The rows of the highest dot product with a point: all rows are compared up to 50,000, FAISS cells above.

Cells are of Euclidean distance. With a further coordinate sqrt(max |y|^2 - |y|^2) for rows and 0 for queries the
nearest row is that of the highest dot product (Bachrach et al., "Speeding up the Xbox recommender system using a
Euclidean transformation for inner-product spaces", RecSys 2014). Letters: ``N`` rows, ``K`` coordinates.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.errors import UserError
from components.files import Folder

EXACT_ROWS = 50_000
BLOCK_ROWS = 65_536
TARGET_RECALL = 0.98
RECALL_QUERIES, RECALL_K = 256, 10


@dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """What a model says about the index of a side.

    Attributes:
        kind: ``exact`` or ``cells``.
        recall: share of the true first ``k`` that the index found, mean of ``queries`` rows of the other side.
        probes: cells that a search looks into, of ``cells``.
        bytes: in memory, vectors included.
    """

    kind: str
    rows: int
    bytes: int
    recall: float = 1.0
    k: int = RECALL_K
    queries: int = 0
    probes: int = 0
    cells: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class RowIndex:
    """Search among ``vectors`` [N, K]; ``cells`` is FAISS' index of them, None where all rows are compared."""

    def __init__(self, vectors: np.ndarray, facts: IndexFacts, cells: Any = None) -> None:
        self.vectors, self.facts, self._cells = vectors, facts, cells
        if cells is not None:
            cells.nprobe = facts.probes

    @classmethod
    def build(
        cls, vectors: np.ndarray, queries: np.ndarray, *, seed: int = 0, exact_rows: int = EXACT_ROWS
    ) -> RowIndex:
        """Index of rows [N, K]; above ``exact_rows`` as many cells are searched as the recall of ``queries`` asks for.

        Args:
            queries: rows of the other side [M, K]: what will be asked lies elsewhere than the rows do.
            seed: of k-means and of the sample of queries.
        """
        if len(vectors) <= exact_rows or not len(queries):
            return cls(vectors, IndexFacts(kind="exact", rows=len(vectors), bytes=vectors.nbytes))
        from components.graphs.knn import make_cells

        cells = make_cells(_lifted(vectors), seed)
        chosen = np.random.default_rng(seed).choice(len(queries), min(RECALL_QUERIES, len(queries)), replace=False)
        return cls(vectors, _probe_enough(vectors, cells, queries[np.sort(chosen)]), cells)

    @property
    def is_exact(self) -> bool:
        return self._cells is None

    def scores(self, point: np.ndarray) -> np.ndarray:
        """Dot products of all rows with a point [K]. [N]"""
        blocks = range(0, len(self.vectors), BLOCK_ROWS)
        return np.concatenate([np.zeros(0, np.float32), *(self.vectors[s : s + BLOCK_ROWS] @ point for s in blocks)])

    def top(self, point: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the first ``k`` rows for a point [K], and their scores; ties in order of rows.

        One point at a time: so the answer has the same bits whatever is asked beside it.
        """
        if self._cells is None:
            scores = self.scores(point)
            places = first(scores, k)
            return places, scores[places]
        query = np.append(point, 0).astype(np.float32)[None]
        _, found = self._cells.search(query, min(k, len(self.vectors)))
        places = np.sort(found[0][found[0] >= 0])
        scores = self.vectors[places] @ point
        order = np.argsort(-scores, kind="stable")
        return places[order], scores[order]

    def save(self, folder: Folder, name: str) -> None:
        """Write the cells as the file ``name``; an exact index has no file."""
        if self._cells is not None:
            import faiss

            folder.write_bytes(name, faiss.serialize_index(self._cells).tobytes())

    @classmethod
    def load(cls, folder: Folder, name: str, vectors: np.ndarray, facts: IndexFacts) -> RowIndex:
        """Read what :meth:`save` wrote. FAISS trusts the bytes: check their digest first.

        Raises:
            UserError: the file is missing, or is of other rows.
        """
        if facts.kind == "exact":
            return cls(vectors, facts)
        import faiss

        if not folder.exists(name):
            raise UserError(f"the index {name} is missing", where=folder.path, do="export the model again")
        cells = faiss.deserialize_index(np.frombuffer(folder.read_bytes(name), np.uint8))
        if (cells.ntotal, cells.d) != (len(vectors), vectors.shape[1] + 1):
            raise UserError(f"the index {name} is not of the model's rows", where=folder.path, do="export it again")
        return cls(vectors, facts, cells)


def first(scores: np.ndarray, k: int) -> np.ndarray:
    """Places of the ``k`` highest of scores [N], ties in order of places, without sorting all of them. [k]"""
    if k >= len(scores):
        return np.argsort(-scores, kind="stable")
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= least)
    return candidates[np.argsort(-scores[candidates], kind="stable")[:k]]


def _lifted(vectors: np.ndarray) -> np.ndarray:
    squares = np.einsum("nk,nk->n", vectors, vectors, dtype=np.float64)
    return np.ascontiguousarray(np.column_stack([vectors, np.sqrt(squares.max() - squares)]), dtype=np.float32)


def _probe_enough(vectors: np.ndarray, cells: Any, queries: np.ndarray) -> IndexFacts:
    """Double the cells that are searched until the recall reaches the target."""
    size = 2 * vectors.nbytes + 4 * len(vectors) + 8 * len(vectors)  # vectors, FAISS' copy with a coordinate more, ids
    exact = RowIndex(vectors, IndexFacts(kind="exact", rows=len(vectors), bytes=vectors.nbytes))
    truth = [exact.top(q, RECALL_K)[0] for q in queries]
    probes = 8
    while True:
        probes = min(2 * probes, cells.nlist)
        facts = IndexFacts(
            kind="cells", rows=len(vectors), bytes=size, queries=len(queries), probes=probes, cells=cells.nlist
        )
        index = RowIndex(vectors, facts, cells)
        hits = [len(np.intersect1d(index.top(q, RECALL_K)[0], t)) for q, t in zip(queries, truth, strict=True)]
        recall = float(np.sum(hits) / sum(map(len, truth)))
        if recall >= TARGET_RECALL or probes == cells.nlist:
            return IndexFacts(**{**facts.to_json(), "recall": recall})
