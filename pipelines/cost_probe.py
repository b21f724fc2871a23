"""Short runs of a recipe on parts of its own corpora, so that ``isthmus plan --cluster`` has something to fit.

They go into a home of their own beside the user's (``isthmus-data-probe``), and nothing of them into MLflow. Every
part has the same known pairs, as many as the recipe needs; what grows is the number of other rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from cluster.cost_model import Point, fit_step
from cluster.workflow.store import Store
from components.corpora.pairs import Pair, listed_pairs
from components.corpora.part import Part, read_part
from components.corpora.source_config import SourceConfig
from components.errors import UserError
from components.files import Folder
from pipelines.home import Home
from pipelines.recipe import AlignRecipe, Recipe
from pipelines.registry import graph_of
from pipelines.runner import RunOptions, run_untracked

SMALLEST, LARGEST = 400, 32_000  # rows of a side
SIZES, STEP = 3, 4
LEAST_SPAN = 3.0  # largest part over smallest: less says little about growth
PAIRS_WITHOUT_BUDGET, MOST_HELDOUT = 250, 500
READING_SHARE = 0.2  # of the time for all
STORES = ("store", "store-again")  # the second for the same runs again: the shorter time counts
PAIR_FILES = ("pairs", "heldout")


@dataclass(frozen=True, kw_only=True)
class Probed:
    """``sizes``: rows of a side; ``seconds``: of reading and running together."""

    sizes: tuple[int, ...]
    num_pairs: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The largest parts, by the recipe's key of their source, and the pairs within."""

    parts: Mapping[str, Part]
    pairs: Mapping[str, list[Pair]]

    @property
    def rows(self) -> int:
        return min(len(part.table) for part in self.parts.values())


def probe_home(home: Home) -> Home:
    """Beside the home; of a store at a URI, beside that store."""
    path = home.path.with_name(f"{home.path.name}-probe")
    return Home(path, f"{home.store_uri.rstrip('/')}-probe" if "://" in home.store_uri else str(path))


def probe_stores(home: Home) -> list[Store]:
    """Where runs of :func:`probe` are kept."""
    root = Folder.at(probe_home(home).store_uri)
    return [Store(root.sub(name)) for name in STORES if root.exists(name)]


def probe(recipe: Recipe, home: Home, options: RunOptions, console: Console, *, budget_s: float) -> Probed:
    """Run the recipe on parts of growing size until the time is used up, then the same again as far as it lasts.

    The smallest part comes first, and twice: the first run of a process also imports libraries. It runs however long it
    takes; what follows, only if it is expected to end in time.

    Raises:
        UserError: a corpus is too small for three sizes, the recipe is of another pipeline, or a probe run failed.
    """
    began, own = time.monotonic(), probe_home(home)
    found = _read_parts(recipe, began + READING_SHARE * budget_s)
    first, *larger = ladder(found.rows, smallest=max(SMALLEST, 2 * max(p.num_wanted for p in found.parts.values())))
    took: dict[int, float] = {}
    for rows, store in [(first, store) for store in STORES] + [(rows, store) for store in STORES for rows in larger]:
        if took and time.monotonic() - began + _expected(took, rows) > budget_s:
            continue
        started = time.monotonic()
        console.print(f"probe run: {rows:,} rows of each corpus", markup=False)
        changed = _on_part(recipe, found, rows, f"{own.store_uri}/parts/{recipe.name}-{rows}")
        place = Home.open(own.path, f"{own.store_uri}/{store}")
        result = run_untracked(graph_of(changed, home), changed, place, options, console)
        if result.error:
            raise UserError(f"the probe run on {rows:,} rows failed: {result.error}")
        took[rows] = time.monotonic() - started
    num_pairs = sum(map(len, found.pairs.values()))
    return Probed(sizes=tuple(took), num_pairs=num_pairs, seconds=time.monotonic() - began)


def ladder(rows: int, *, smallest: int) -> tuple[int, ...]:
    """Sizes of parts, each four times the one before, or three that are closer if there are too few rows for that.

    Raises:
        UserError: the largest would be less than three times the smallest.
    """
    if rows < LEAST_SPAN * smallest:
        told = f"the corpora are too small for probe runs of three sizes: {rows:,} rows, at least"
        raise UserError(f"{told} {LEAST_SPAN * smallest:,.0f} are needed", do="run it as it is: it will be short")
    sizes = [smallest * STEP**n for n in range(12) if smallest * STEP**n <= rows]
    if len(sizes) < SIZES:
        sizes = [int(n) for n in np.geomspace(smallest, rows, SIZES).round()]
    return tuple(sizes)


def _expected(took: Mapping[int, float], rows: int) -> float:
    """Seconds of a run of so many rows: as before, or by the cost model. Most of the smallest run is fixed."""
    if rows in took:
        return took[rows]
    if len(took) == 1:
        return max(took.values()) * math.sqrt(rows / max(took))
    return fit_step("run", [Point(rows=n, seconds=seconds) for n, seconds in took.items()]).seconds(rows)


def _sources(recipe: Any) -> dict[str, Any]:
    if not (isinstance(recipe, AlignRecipe) or hasattr(recipe, "corpus")):
        do = "run it on parts of three sizes in this store, then ask again"
        raise UserError(f"probe runs are of align and encode recipes, not of {recipe.pipeline}", do=do)
    return {side: getattr(recipe, side) for side in ("left", "right", "corpus") if hasattr(recipe, side)}


def _read_parts(recipe: Any, until: float) -> _Parts:
    sources = _sources(recipe)
    listed, parts = _some_pairs(recipe), {}
    for column, (side, source) in enumerate(sources.items()):
        wanted = {pair[column] for pairs in listed.values() for pair in pairs}
        config = SourceConfig.of(source.source, source.columns())
        parts[side] = read_part(
            config, wanted=wanted, most=LARGEST, seed=recipe.seed, stop=lambda: time.monotonic() > until
        )
    ids = [part.ids for part in parts.values()]
    pairs = {
        name: [pair for pair in of_file if all(i in known for i, known in zip(pair, ids, strict=True))]
        for name, of_file in listed.items()
    }
    return _Parts(parts=parts, pairs=pairs)


def _some_pairs(recipe: Any) -> dict[str, list[Pair]]:
    """Twice the pairs that are fitted on, since some of them will be held out; of held-out ones as many as judge."""
    budget = getattr(recipe, "pairs_budget", None)
    most = {"pairs": max(2 * (PAIRS_WITHOUT_BUDGET if budget is None else budget), 100), "heldout": MOST_HELDOUT}
    rng = np.random.default_rng(recipe.seed)
    chosen = {}
    for name in PAIR_FILES:
        if location := getattr(recipe, name, None):
            pairs = listed_pairs(location)
            chosen[name] = [pairs[n] for n in rng.permutation(len(pairs))[: most[name]]]
    return chosen


def _on_part(recipe: Any, found: _Parts, rows: int, place: str) -> Any:
    """The recipe with a part of each corpus, written to the folder at ``place``, for its sources and pairs."""
    folder = Folder.at(place)
    changes: dict[str, Any] = {}
    for side, part in found.parts.items():
        folder.write_table(f"{side}.parquet", part.table.slice(0, rows))
        columns = {"source": f"{place}/{side}.parquet", "path": None}
        changes[side] = getattr(recipe, side).model_copy(update=columns)
    for name, pairs in found.pairs.items():
        folder.write_table(f"{name}.parquet", _table(pairs))
        changes[name] = f"{place}/{name}.parquet"
    return recipe.model_copy(update=changes)


def _table(pairs: Sequence[Pair]) -> pa.Table:
    return pa.table({"left_id": [p[0] for p in pairs], "right_id": [p[1] for p in pairs]})
