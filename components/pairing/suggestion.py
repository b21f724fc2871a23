"""What a choice of items comes to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Items to find partners for, the most useful first: the first b of them are the choice for a budget of b.

    Attributes:
        ids: chosen ids, in order.
        sides: ``left`` or ``right``, the corpus of each.
        gains: what each added to the objective when it was chosen (its own side's; falling, up to the switch of sides).
        coverage: after each pick, the mean similarity (0 to 1) of the rows of that pick's side to their nearest chosen
            row, items known from the start included.
        start_coverage: side -> the same before the first pick; 0 if nothing was known.
        random_coverage: side -> the same after 1, 2, … random picks of that side instead.
    """

    ids: list[str]
    sides: list[str]
    gains: list[float]
    coverage: list[float]
    start_coverage: dict[str, float] = field(default_factory=dict)
    random_coverage: dict[str, list[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, side: str) -> list[str]:
        """Chosen ids of one side, in order."""
        return [i for i, s in zip(self.ids, self.sides, strict=True) if s == side]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
