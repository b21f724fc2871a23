"""From what the command line says to a grid. What is not said takes a default that ends within a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.alignment.registry import METHODS
from pipelines.bench.alignment.corpora import KNOWN
from pipelines.bench.alignment.grid import BUDGETS, PROTOCOLS, SELECTIONS, SPLITS, Grid, Setting
from pipelines.bench.alignment.methods import CHANCE, SIMPLE, check_methods

QUICK_CORPORA, QUICK_BUDGETS = ("emoji", "digits", "synth"), (50, 100)
QUICK_METHODS = ("auto", *SIMPLE, "eigen-cca")
QUICK_UNPAIRED, QUICK_POOL = 2000, 600
FEW = ("auto", *SIMPLE, "fused-csa", "functional-map", "eigen-cca")
FEW_BUDGETS = (50, 100)
ROWS = (200, 500, 1000, 3000)
# "30 chosen pairs and auto reach contrastive heads with 300 random pairs"
CLAIMED = ("synth", "emoji")
CLAIM_CHOSEN, CLAIM_RANDOM = 30, 300


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """As in ``isthmus bench alignment --help``."""

    corpora: tuple[str, ...]
    grid: Grid
    folder: Path | None = None
    workers: int | None = None
    use_ray: bool = True
    address: str | None = None
    force: frozenset[str] = field(default_factory=frozenset)
    metrics_out: Path | None = None
    quick: bool = False
    track: bool = True


Names = Sequence[str] | None


def make_options(
    *,
    quick: bool = False,
    corpora: Names = None,
    methods: Names = None,
    budgets: Sequence[int] | None = None,
    seeds: int | None = None,
    protocols: Names = None,
    splits: Names = None,
    selections: Names = None,
    rows: Sequence[int] | None = None,
    folder: Path | None = None,
    force: Names = None,
    workers: int | None = None,
    use_ray: bool = True,
    address: str | None = None,
    metrics_out: Path | None = None,
    track: bool = True,
) -> BenchOptions:
    """What is named is crossed with all else that is named. Where no protocol, split or selection is named, the first
    of each is measured with every method and budget, and the others with the methods that matter there.

    Raises:
        UserError: an unknown name.
    """
    narrow = any((corpora, methods, budgets)) or quick
    star = not (protocols or splits or selections)
    chosen = check_methods(tuple(methods or (*(QUICK_METHODS if quick else METHODS), CHANCE)))
    grid = Grid(
        methods=chosen,
        budgets=tuple(dict.fromkeys(budgets if budgets is not None else QUICK_BUDGETS if quick else BUDGETS)),
        protocols=tuple(protocols or (PROTOCOLS[:1] if narrow else PROTOCOLS)),
        splits=tuple(splits or (SPLITS[:1] if narrow else SPLITS)),
        selections=tuple(selections or (SELECTIONS[:1] if narrow else SELECTIONS)),
        seeds=seeds or (3 if quick else 5),
        cross=not star,
        few=FEW,
        few_budgets=FEW_BUDGETS,
        rows=tuple(rows if rows is not None else () if narrow else ROWS),
        extra=() if narrow else _claimed(),
    )
    return BenchOptions(
        corpora=tuple(dict.fromkeys(corpora or (QUICK_CORPORA if quick else tuple(KNOWN)))),
        grid=grid,
        folder=folder,
        workers=workers,
        use_ray=use_ray,
        address=address,
        force=frozenset(check_methods(tuple(force or ()))),
        metrics_out=metrics_out,
        quick=quick,
        track=track,
    )


def _claimed() -> tuple[Setting, ...]:
    """The cells that the claims need and the grid does not have."""
    chosen = [Setting(corpus=c, selection="coverage", budget=CLAIM_CHOSEN, method="auto") for c in CLAIMED]
    return (*chosen, *(Setting(corpus=c, budget=CLAIM_RANDOM, method="contrastive") for c in CLAIMED))
