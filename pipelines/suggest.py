"""``isthmus suggest``: which items to find partners for next. The graph shares its first steps with ``run``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console

from cluster.workflow.graph import Graph
from cluster.workflow.results import State
from cluster.workflow.step import Step
from components.checks import check_one_of, check_range
from components.errors import UserError
from components.files import Folder, write_atomically
from components.pairing.config import SIDES, CoverageConfig
from pipelines.align import SIDES as BOTH
from pipelines.align import CorpusGraph, Engine, pair_files
from pipelines.home import Home
from pipelines.recipe import AlignRecipe
from pipelines.runner import FAILED, RunOptions, output_of, run_graph
from pipelines.steps.suggest import LIST, PAGE, headline
from pipelines.trained import locate_trained


@dataclass(frozen=True, kw_only=True)
class SuggestConfig:
    """As in ``isthmus suggest --help``.

    Attributes:
        budget: items to ask for, in total.
        side: ``left``, ``right`` or ``both``: whose items.
        method: of :class:`CoverageConfig`.
        known: pairs file to go on from, instead of the recipe's.
    """

    budget: int = 50
    side: str = "left"
    method: str = CoverageConfig.method
    known: str | None = None
    coverage: CoverageConfig = field(init=False)

    def __post_init__(self) -> None:
        check_range("budget", self.budget, 1)
        check_one_of("side", self.side, SIDES)
        object.__setattr__(self, "coverage", CoverageConfig(method=self.method))


class SuggestGraph(CorpusGraph):
    """Shard and encode as for ``run`` (the same keys, so hits in the store), then ``suggest``."""

    def __init__(self, recipe: AlignRecipe, config: SuggestConfig, *, cache_dir: Path, engine: Engine = "ray") -> None:
        super().__init__(recipe, cache_dir=cache_dir, engine=engine)
        self.config = config

    def build(self) -> Graph:
        recipe, config = self.recipe, self.config
        files = pair_files(recipe) | ({"known": config.known} if config.known else {})
        step = self._step(
            "suggest",
            config={
                "budget": config.budget,
                "side": config.side,
                "coverage": asdict(config.coverage) | {"seed": recipe.seed},
                "pairs_budget": recipe.pairs_budget,
                "seed": recipe.seed,
                **recipe.splits.model_dump(mode="json"),
            },
            inputs=self._needed(any_pairs=bool(files)),
            externals=self._digests(files),
            locations=files,
            options={"name": recipe.name},
        )
        return Graph.of(step)

    def _needed(self, *, any_pairs: bool) -> dict[str, Step]:
        """A side that nothing is asked of is not encoded unless there are pairs."""
        inputs: dict[str, Step] = {}
        for name in BOTH:
            if any_pairs or self.config.side in (name, "both"):
                inputs |= {f"shard-{name}": self.shard[name], name: self.encode[name]}
        return inputs


def build(recipe: AlignRecipe, config: SuggestConfig, *, cache_dir: Path, engine: Engine = "ray") -> Graph:
    """The DAG of ``suggest``. Raises UserError if an input file is missing."""
    return SuggestGraph(recipe, config, cache_dir=cache_dir, engine=engine).build()


def suggest_and_print(
    recipe: AlignRecipe,
    config: SuggestConfig,
    home: Home,
    options: RunOptions,
    console: Console,
    *,
    out: Path | None = None,
) -> int:
    """Run, and copy the list and the page to ``out``. Returns the exit code: 0, or 1 if a step failed.

    Raises:
        UserError: an input is missing, the cluster cannot be reached, ``out`` cannot be written.
    """
    folder = _folder(out or home.results(recipe.name))
    name = f"{recipe.name}-suggest"
    result = run_graph(partial(build, locate_trained(recipe, home), config), recipe, home, options, console, name=name)
    if result is None:
        return FAILED
    sheet, page = _publish(output_of(result, "suggest"), folder)
    console.print(f"\n{headline(result.steps['suggest'].facts)}", style="bold", markup=False)
    ran, hit = result.names(State.RAN), result.names(State.HIT)
    console.print(f"{len(ran)} steps ran, {len(hit)} were cached, {result.seconds:.1f} s")
    console.print(f"look:    {page}", soft_wrap=True, markup=False)
    console.print(f"fill in: {sheet}, then name it as `pairs:` of the recipe", soft_wrap=True, markup=False)
    return 0


def _folder(path: Path) -> Path:
    path = path.expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot make this folder ({error.strerror})"
        raise UserError(what, where=str(path), do="choose another with --out") from None
    return path


def _publish(made: Folder, folder: Path) -> tuple[Path, Path]:
    """Copy under the first free number: a list that someone may have begun to fill in is never overwritten."""
    data, number = made.read_bytes(LIST), 1
    while (sheet := folder / _numbered(LIST, number)).exists() and sheet.read_bytes() != data:
        number += 1
    page = folder / _numbered(PAGE, number)
    for path, content in ((sheet, data), (page, made.read_bytes(PAGE))):
        write_atomically(path, content)
    return sheet, page


def _numbered(name: str, number: int) -> str:
    stem, _, ending = name.partition(".")
    return name if number == 1 else f"{stem}-{number}.{ending}"
