"""Which cells a bench consists of, and the steps that make them. A cell is one fit: one seed of one setting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

from cluster.workflow.step import Resources, Step
from components.alignment.registry import METHODS
from components.errors import UserError
from pipelines.bench.alignment.corpora import STEPS, Corpus
from pipelines.bench.alignment.fitting import SHUFFLED
from pipelines.bench.alignment.methods import CHANCE, CONTROLLED, version_of

BUDGETS = (0, 10, 30, 50, 100, 200, 500)
ASKED = "asked"
PROTOCOLS, SPLITS = ("disjoint", "sue"), ("random", "group")
SELECTIONS = ("random", "coverage", "sequential", ASKED)
WORLD_VERSION, ORDER_VERSION, CELL_VERSION = "2", "2", "1"
MOST_PAIRS = 500
NONE = "none"


@dataclass(frozen=True, kw_only=True, order=True)
class Setting:
    """All of a cell but its seed: what one record is about.

    Attributes:
        rows: unpaired rows a side; None: as many as the corpus' protocol has.
        control: ``none`` or ``shuffled-pairs``.
    """

    corpus: str
    protocol: str = "disjoint"
    split: str = "random"
    selection: str = "random"
    budget: int = 100
    method: str = "auto"
    rows: int | None = None
    control: str = NONE


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is asked for.

    Attributes:
        cross: every combination; else the first protocol, split and selection with every method and budget, and each
            other one with ``few`` methods at ``few_budgets``.
        rows: numbers of unpaired rows to compare at ``few_budgets[-1]`` pairs; empty: none.
    """

    methods: tuple[str, ...]
    budgets: tuple[int, ...] = BUDGETS
    protocols: tuple[str, ...] = PROTOCOLS
    splits: tuple[str, ...] = SPLITS
    selections: tuple[str, ...] = SELECTIONS
    seeds: int = 5
    cross: bool = True
    few: tuple[str, ...] = ()
    few_budgets: tuple[int, ...] = (50, 100)
    rows: tuple[int, ...] = ()
    extra: tuple[Setting, ...] = ()

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UserError(f"{self.seeds} seeds", where="--seeds", do="give at least 1")
        if any(b < 0 for b in self.budgets):
            raise UserError(f"{min(self.budgets)} pairs", where="--budget", do="give 0 or more")
        for name, allowed in (("protocols", PROTOCOLS), ("splits", SPLITS), ("selections", SELECTIONS)):
            for value in getattr(self, name):
                if value not in allowed:
                    raise UserError(
                        f"{value!r} is not known", where=f"--{name[:-1]}", do=f"choose from {', '.join(allowed)}"
                    )

    def settings(self, corpus: Corpus) -> list[Setting]:
        """Everything that gets a record for one corpus, chance left out."""
        found = [*self._crossed(corpus), *self._controls(corpus), *self._fewer_rows(corpus)]
        found += [s for s in self.extra if s.corpus == corpus.name]
        return list(dict.fromkeys(found))

    def _crossed(self, corpus: Corpus) -> Iterable[Setting]:
        methods = [m for m in self.methods if m != CHANCE]
        for place in product(self.protocols, self.splits, self.selections):
            if not self._applies(corpus, place):
                continue
            base = place == (self.protocols[0], self.splits[0], self.selections[0])
            for budget, method in product(self.budgets, methods):
                wanted = base or self.cross or (method in self.few and budget in self.few_budgets)
                if wanted and (budget or place[2] == "random"):
                    yield self._setting(corpus, place, budget=budget, method=method)

    def _applies(self, corpus: Corpus, place: tuple[str, str, str]) -> bool:
        """Without ``cross`` a corpus that has no groups has no group split, and no two things are changed at once
        except split and selection."""
        protocol, split, selection = place
        if split == "group" and corpus.groups is False:
            return False
        if self.cross:
            return True
        return protocol == self.protocols[0] or (split, selection) == (self.splits[0], self.selections[0])

    def _controls(self, corpus: Corpus) -> Iterable[Setting]:
        place = (self.protocols[0], self.splits[0], "random")
        budget = self._typical()
        if "random" in self.selections and budget:
            for method in (m for m in self.methods if m in CONTROLLED):
                yield self._setting(corpus, place, budget=budget, method=method, control=SHUFFLED)

    def _fewer_rows(self, corpus: Corpus) -> Iterable[Setting]:
        place = (self.protocols[0], self.splits[0], "random")
        most = corpus.cap or corpus.unpaired or 1000
        for rows, method in product((r for r in self.rows if r < most), (m for m in self.methods if m in self.few)):
            yield self._setting(corpus, place, budget=self._typical(), method=method, rows=rows)

    def _typical(self) -> int:
        """100 pairs, or the budget next to it."""
        return min(self.budgets, key=lambda b: (abs(b - 100), b)) if self.budgets else 0

    @staticmethod
    def _setting(corpus: Corpus, place: tuple[str, str, str], **more: object) -> Setting:
        base = Setting(corpus=corpus.name, protocol=place[0], split=place[1], selection=place[2])
        return replace(base, **more)  # type: ignore[arg-type]


def needs_pairs(setting: Setting) -> bool:
    """Whether the method cannot do without the pairs that the setting does not give it."""
    return setting.budget == 0 and METHODS[setting.method].needs_pairs


@dataclass(frozen=True)
class Cells:
    """The steps of one corpus: step name -> setting and seed, and the steps themselves."""

    steps: dict[str, Step]
    about: dict[str, tuple[Setting, int]]


def cells_of(corpus: Corpus, settings: Sequence[Setting], seeds: int, table: Step | None) -> Cells:
    """One step per setting and seed that can be fitted; worlds and orders of pairs are shared by all that can."""
    maker = _Maker(corpus, table)
    steps: dict[str, Step] = {}
    about: dict[str, tuple[Setting, int]] = {}
    for seed in range(seeds):
        for setting in settings:
            if not needs_pairs(setting):
                step = maker.cell(setting, seed)
                steps[step.name], about[step.name] = step, (setting, seed)
    return Cells(steps, about)


class _Maker:
    def __init__(self, corpus: Corpus, table: Step | None) -> None:
        self.corpus, self.table = corpus, table
        self._made: dict[str, Step] = {}

    def _once(self, step: Step) -> Step:
        return self._made.setdefault(step.name, step)

    def world(self, setting: Setting, seed: int) -> Step:
        corpus = self.corpus
        rows = f"-rows{setting.rows}" if setting.rows else ""
        asked = {"protocol": setting.protocol, "split": setting.split, "gallery": corpus.gallery, "pool": corpus.pool}
        config: dict[str, object] = {"cut": {**asked, "seed": seed}, "cap": setting.rows or corpus.cap}
        if self.table is None:
            config |= {"name": corpus.name, "unpaired": corpus.unpaired}
        return self._once(
            Step(
                name=f"world-{corpus.slug}-{setting.protocol}-{setting.split}{rows}-s{seed}",
                version=WORLD_VERSION,
                run=f"{STEPS}:run_world",
                config=config,
                inputs={"table": self.table} if self.table else {},
            )
        )

    def order(self, setting: Setting, seed: int) -> Step:
        """Smaller budgets take the beginning of one order, whatever other budgets are asked for."""
        world, most = self.world(setting, seed), MOST_PAIRS
        while most < setting.budget:
            most *= 2
        return self._once(
            Step(
                name=f"{setting.selection}-{most}-{world.name}",
                version=ORDER_VERSION,
                run=f"{STEPS}:run_order",
                config={"selection": setting.selection, "most": most, "seed": seed},
                inputs={"world": world},
            )
        )

    def cell(self, setting: Setting, seed: int) -> Step:
        names = {k: v for k, v in asdict(setting).items() if k in ("method", "budget", "control")}
        order = self.order(setting, seed)
        control = "" if setting.control == NONE else f"-{setting.control}"
        return Step(
            name=f"{setting.method}{control}-p{setting.budget}-{order.name}",
            version=f"{CELL_VERSION}.{version_of(setting.method)}",
            run=f"{STEPS}:run_cell",
            config={**names, "seed": seed},
            inputs={"world": order.inputs["world"], "order": order},
            resources=Resources(cpus=1),
        )
