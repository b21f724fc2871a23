"""How pairs are split into those to fit on and those to evaluate on. Fast to import: recipes need it."""

from __future__ import annotations

from dataclasses import dataclass

from components.checks import check_one_of, check_range
from components.errors import UserError

UNPAIRED = ("disjoint", "all")


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Settings of :func:`components.corpora.splits.make_splits`.

    Attributes:
        pairs_budget: pairs to fit on in every draw; None: all that are not held out; 0: none, known pairs only judge.
        heldout_fraction: share of the known pairs kept for evaluation if no held-out pairs are given; 0 < f < 1.
        heldout_max: at most so many of them.
        draws: how many times the budget is drawn from the pool; at least 2; 5 or more for honest intervals.
        unpaired: ``disjoint``: every pair of the pool lives, without its partner, on one side only, so that the
            unpaired corpora share no item; ``all``: both sides keep it.
        seed: of everything random here.
    """

    pairs_budget: int | None = 100
    heldout_fraction: float = 0.25
    heldout_max: int = 500
    draws: int = 5
    unpaired: str = "disjoint"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pairs_budget is not None and self.pairs_budget != 0 and self.pairs_budget < 2:
            raise UserError(
                f"{self.pairs_budget!r} is not allowed", where="pairs_budget", do="give null, 0 or at least 2"
            )
        check_range("heldout_fraction", self.heldout_fraction, 0, 1, above=True, below=True)
        check_range("heldout_max", self.heldout_max, 2)
        check_range("draws", self.draws, 2)
        check_one_of("unpaired", self.unpaired, UNPAIRED)
