"""Which rows make up each global batch: a function of seed and epoch alone, the same on every worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.errors import UserError


@dataclass(frozen=True)
class Shuffled:
    """Every row once an epoch, in whole batches; what is left over has its turn in another epoch."""

    rows: np.ndarray
    batch: int
    seed: int

    def epoch(self, number: int) -> list[np.ndarray]:
        """Batches of row numbers. A corpus smaller than a batch is one batch."""
        order = np.random.default_rng([self.seed, 1, number]).permutation(self.rows)
        size = min(self.batch, len(order))
        return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


@dataclass(frozen=True)
class ByClass:
    """P classes with ``each`` rows of every one: supervised objectives need several rows of a class in a batch.

    Classes are drawn with a chance proportional to the root of their size, without repetition in a batch; the rows of a
    class that has fewer than ``each`` are drawn with repetition (as different views).

    Attributes:
        rows, classes: row numbers and the class of each of them. [n]
        batch: rows of a batch, at most.
        each: rows of a class in a batch.
    """

    rows: np.ndarray
    classes: np.ndarray
    batch: int
    each: int
    seed: int

    def epoch(self, number: int) -> list[np.ndarray]:
        """As many batches as the rows fill, at least one."""
        rng = np.random.default_rng([self.seed, 1, number])
        members = [self.rows[self.classes == c] for c in np.unique(self.classes)]
        weights = np.sqrt([len(m) for m in members])
        return [self._draw(members, weights / weights.sum(), rng) for _ in range(self._steps)]

    @property
    def _steps(self) -> int:
        return max(1, len(self.rows) // self.batch)

    def _draw(self, members: Sequence[np.ndarray], chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        count = min(len(members), max(2, self.batch // self.each))
        chosen = rng.choice(len(members), count, replace=False, p=chances)
        each = max(2, self.batch // count) if count == len(members) else self.each
        return np.concatenate([rng.choice(members[c], each, replace=len(members[c]) < each) for c in chosen])


Batches = Shuffled | ByClass


def require_rows(rows: int, workers: int, *, batch: int) -> None:
    """Refuse a training that cannot have two rows for each worker, or a batch without a second row.

    Raises:
        UserError: as described.
    """
    if batch < 2:
        raise UserError(
            f"a batch of {batch} row has nothing to compare with", where="batch", do="use at least 2, better 128"
        )
    if min(rows, batch) < 2 * workers:
        raise UserError(
            f"{min(rows, batch)} rows a batch are too few for {workers} workers ({rows} training rows, batch {batch})",
            where="scaling.workers",
            do="use fewer workers: each needs two rows",
        )
