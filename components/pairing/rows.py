"""Rows of one corpus in an order that only ids and seed decide, centred and scaled when they are asked for.

Letters: ``N`` rows, ``D`` dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from components.corpora.hashing import id_hashes
from components.embeddings import Embeddings
from components.errors import UserError
from components.transforms import unit_rows

CHUNK = 8192


class Rows(Protocol):
    """Unit rows that are found by position."""

    def __len__(self) -> int: ...

    def unit(self, positions: np.ndarray) -> np.ndarray:
        """float32 [len(positions), D]"""
        ...


class CentredRows:
    """Unit rows around the corpus' mean, computed block by block: a million rows are never copied as a whole.

    Args:
        embeddings: float32 or float16 vectors.
        seed: of the order. Position p below always means the p-th id in order of its seeded hash, so nothing that is
            computed from positions depends on the order of the rows or on how many files they came from.

    Raises:
        UserError: no rows, a NaN or infinite value, or all rows equal.
    """

    def __init__(self, embeddings: Embeddings, seed: int) -> None:
        if not len(embeddings):
            raise UserError("there are no rows to choose from", do="check the source")
        self._embeddings = embeddings
        self._order = hash_order(embeddings.ids, seed)
        self._mean = self._checked_mean()

    def __len__(self) -> int:
        return len(self._order)

    def ids(self, positions: Sequence[int] | np.ndarray) -> list[str]:
        return [self._embeddings.ids[self._order[p]] for p in positions]

    def positions(self, ids: Sequence[str]) -> np.ndarray:
        """Positions of these ids. int64 [len(ids)]. Raises UserError for an unknown id."""
        index = self._embeddings.index
        missing = [i for i in ids if i not in index]
        if missing:
            raise UserError(f"{len(missing)} ids have no embedding, e.g. {missing[0]!r}", do="check the ids")
        place = np.empty(len(self._order), np.int64)
        place[self._order] = np.arange(len(self._order))
        return place[[index[i] for i in ids]]

    def unit(self, positions: np.ndarray) -> np.ndarray:
        """Centred unit rows, float32 [len(positions), D]; a row equal to the mean stays zero."""
        rows = self._embeddings.vectors[self._order[positions]].astype(np.float32)
        return unit_rows(rows - self._mean)

    def _checked_mean(self) -> np.ndarray:
        vectors, total, constant = self._embeddings.vectors, 0.0, True
        for start in range(0, len(vectors), CHUNK):
            block = vectors[self._order[start : start + CHUNK]].astype(np.float64)
            if not np.isfinite(block).all():
                bad = start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
                raise UserError(f"the row {self.ids([bad])[0]!r} has a NaN or infinite value", do="quarantine it first")
            constant = constant and bool((block == vectors[self._order[0]]).all())
            total = total + block.sum(axis=0)
        if constant and len(vectors) > 1:
            raise UserError(f"all {len(vectors)} rows are equal", do="check the encoder that made them")
        return np.asarray(total / len(vectors), dtype=np.float32)


class PairRows:
    """Both sides of pairs in one row: the cosine of two pairs is the mean of their two sides' cosines.

    Args:
        left, right: the sides' rows.
        left_positions, right_positions: the sides of each pair. [P]
    """

    def __init__(self, left: Rows, right: Rows, left_positions: np.ndarray, right_positions: np.ndarray) -> None:
        self._sides = ((left, left_positions), (right, right_positions))

    def __len__(self) -> int:
        return len(self._sides[0][1])

    def unit(self, positions: np.ndarray) -> np.ndarray:
        """float32 [len(positions), D1 + D2]"""
        return unit_rows(np.concatenate([rows.unit(own[positions]) for rows, own in self._sides], axis=1))


def hash_order(ids: Sequence[str], seed: int) -> np.ndarray:
    """Positions of ``ids`` in order of their seeded hash. int64 [N]; ids that are equal stay in their order."""
    return np.argsort(id_hashes(f"{seed}\x1fpairing\x1f{i}" for i in ids), kind="stable")
