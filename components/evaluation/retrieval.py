"""Retrieval: where the true partner of a query comes in a gallery.

Letters: ``T`` queries, ``G`` gallery items, ``K`` shared dimension. The score is the dot product of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.transforms import unit_rows

RECALLS = (1, 5, 10)
# Scores nearer than this are equal: the rounding of a float32 product must not decide who comes first.
TIE = 1e-6
CHUNK_SCORES = 4_000_000

RANKS_SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("draw", pa.int32()),
        ("control", pa.string()),
        ("direction", pa.string()),
        ("query", pa.string()),
        ("rank", pa.float32()),
        ("closer", pa.float32()),
        ("gallery", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Ranks:
    """Per query: ``rank`` [T] (1 is best, ties averaged), ``closer`` [T] (fraction of the other gallery items that
    score higher, ties half) and the size of the gallery."""

    rank: np.ndarray
    closer: np.ndarray
    gallery: int


@dataclass(frozen=True)
class RetrievalMetrics:
    """``recall`` {k: percent of queries whose partner ranks within k}, ``median_rank`` (1 is best), ``foscttm``
    (mean fraction of gallery items closer than the true match; 0 is best, .5 chance) and ``gallery`` size."""

    recall: dict[int, float]
    median_rank: float
    foscttm: float
    gallery: int

    def as_dict(self) -> dict[str, float]:
        """``{"R@1": …, "median_rank": …, "foscttm": …}``."""
        recalls = {f"R@{k}": v for k, v in self.recall.items()}
        return {**recalls, "median_rank": self.median_rank, "foscttm": self.foscttm}


def rank_partners(queries: np.ndarray, gallery: np.ndarray) -> Ranks:
    """Ranks of the partner of query t, which is gallery row t, among all gallery rows.

    Args:
        queries: [T, K].
        gallery: [G, K], G >= T; rows from T on are nobody's partner here (distractors).

    A block of about four million scores exists at a time, never T x G. Raises ValueError if G < T.
    """
    num_queries, size = len(queries), len(gallery)
    if size < num_queries:
        raise ValueError(f"{num_queries} queries have only {size} gallery rows")
    step = max(1, CHUNK_SCORES // max(size, 1))
    above = [_count_above(queries[i : i + step], gallery, i) for i in range(0, num_queries, step)]
    count = np.concatenate(above) if above else np.zeros(0)
    return Ranks(1 + count, count / max(size - 1, 1), size)


def rank_scores(scores: np.ndarray) -> Ranks:
    """Ranks of the partner of query t, which is in column t, from scores that are at hand. [T, G], G >= T"""
    count = _above(scores, 0)
    return Ranks(1 + count, count / max(scores.shape[1] - 1, 1), scores.shape[1])


def _count_above(queries: np.ndarray, gallery: np.ndarray, first: int) -> np.ndarray:
    return _above(queries @ gallery.T, first)


def _above(scores: np.ndarray, first: int) -> np.ndarray:
    """Number of columns above each query's partner, ties half; the first query's partner is column ``first``. [T]"""
    rows = np.arange(len(scores))
    truth = scores[rows, first + rows][:, None]
    higher = (scores > truth + TIE).sum(axis=1)
    ties = (np.abs(scores - truth) <= TIE).sum(axis=1) - 1  # the partner ties with itself
    return np.asarray(higher + ties / 2, dtype=np.float64)


def measure(ranks: Ranks, recalls: Sequence[int] = RECALLS) -> RetrievalMetrics:
    """Recall@k, median rank and FOSCTTM of ``ranks``."""
    return RetrievalMetrics(
        {k: recall_at(ranks.rank, k) for k in recalls},
        float(np.median(ranks.rank)),
        float(ranks.closer.mean()),
        ranks.gallery,
    )


def recall_at(rank: np.ndarray, k: int) -> float:
    """Percent of ``rank`` [T] that is at most ``k``."""
    return float(100 * np.mean(rank <= k))


def chance(gallery: int, recalls: Sequence[int] = RECALLS) -> RetrievalMetrics:
    """Expectation for a random order of ``gallery`` items: the rank is uniform on 1..G, so R@k = 100 min(k, G)/G,
    the median rank is (G + 1)/2 and FOSCTTM .5."""
    recall = {k: 100.0 * min(k, gallery) / gallery for k in recalls}
    return RetrievalMetrics(recall, (gallery + 1) / 2, 0.5, gallery)


def ranks_of(
    left: np.ndarray, right: np.ndarray, ids: Sequence[tuple[str, str]], split: str, draw: int, *, control: str = "none"
) -> pa.Table:
    """Both directions' ranks of held-out pairs as rows of ``ranks.parquet`` (schema ``RANKS_SCHEMA``).

    Args:
        left, right: [T, K] mapped rows; row t of both belongs to the held-out pair ``ids[t] = (left id, right id)``.
        ids: the held-out pairs. The gallery of a direction is the other side of all of them.
        split, draw, control: written into every row.
    """
    return both_ways(rank_partners(left, right), rank_partners(right, left), ids, split, draw, control=control)


def both_ways(
    forth: Ranks, back: Ranks, ids: Sequence[tuple[str, str]], split: str, draw: int, *, control: str = "none"
) -> pa.Table:
    """Ranks of both directions as rows of ``ranks.parquet``; arguments as in :func:`ranks_of`."""
    return pa.concat_tables(
        [
            _rows(forth, [i for i, _ in ids], (split, draw, control, "left_to_right")),
            _rows(back, [j for _, j in ids], (split, draw, control, "right_to_left")),
        ]
    )


def ranks_of_fits(
    left: np.ndarray, right: np.ndarray, fits: Sequence[tuple[str, int]], ids: Sequence[tuple[str, str]]
) -> pa.Table:
    """Ranks by cosine of many fits at once, e.g. of coordinates that an MMD net has moved.

    Args:
        left, right: [E, T, r] coordinates of the held-out pairs, of any length.
        fits: (split, draw) of each fit.
        ids: the held-out pairs.
    """
    sides = zip(left, right, fits, strict=True)
    return pa.concat_tables([ranks_of(unit_rows(a), unit_rows(b), ids, split, draw) for a, b, (split, draw) in sides])


def _rows(ranks: Ranks, queries: list[str], same: tuple[str, int, str, str]) -> pa.Table:
    """``same``: split, draw, control and direction of all rows."""
    columns = [[value] * len(queries) for value in same]
    values = [*columns, queries, ranks.rank, ranks.closer, [ranks.gallery] * len(queries)]
    arrays = [pa.array(v, field.type) for v, field in zip(values, RANKS_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=RANKS_SCHEMA)
