"""Labels of rows as class numbers; rows without a label and classes that are too small are named, not guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.errors import UserError

NONE = -1


@dataclass(frozen=True)
class Classes:
    """``names`` [K], sorted; ``of_row`` [N]: class number of each row, -1 for a row without a usable label."""

    names: tuple[str, ...]
    of_row: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labelled(self) -> np.ndarray:
        """Numbers of the rows that have a class."""
        return np.flatnonzero(self.of_row != NONE)


def classes_of(labels: Sequence[str | None], rows: np.ndarray, *, fewest: int = 2) -> Classes:
    """Classes with at least ``fewest`` members among ``rows``; of all other rows the class is -1.

    Args:
        labels: of all rows [N].
        rows: numbers of the rows that count (the training rows).
    """
    counts = Counter(labels[r] for r in rows if labels[r] is not None)
    names = tuple(sorted(str(name) for name, count in counts.items() if count >= fewest))
    number = {name: n for n, name in enumerate(names)}
    return Classes(names, np.array([number.get(str(v), NONE) if v is not None else NONE for v in labels], np.int64))


def require_classes(classes: Classes, objective: str) -> None:
    """Raise UserError unless there are two classes to tell apart."""
    if len(classes) < 2:
        found = f"there is only the class {classes.names[0]!r}" if len(classes) else "no class has two labelled rows"
        raise UserError(
            f"{found}, and {objective} learns from labels",
            where="labels",
            do="name a column with at least two classes, use `labels: kmeans`, or an objective without labels",
        )
