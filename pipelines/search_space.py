"""Files and presets of ``isthmus tune --space``: YAML over recipe keys, checked against the recipe's own model.

set: {aligner: teacher-plan}                    # of the recipe, before anything is searched
space:
  pairs_budget: {choice: [50, 100, 200]}
  teacher_plan.epsilon: {loguniform: [0.02, 0.5], grid: 4}
  spectral.dim: {randint: [8, 64], when: {aligner: [sue, eigen-cca]}}
sampler: random
trials: 20
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from components.errors import UserError
from components.tuning.space import Dimension, Point, Space
from pipelines.recipe import Count, Model, Recipe, load_any_recipe, parse_yaml, set_key, validate
from pipelines.registry import model_of

SPACES = Path(__file__).parent / "spaces"
KINDS = ("choice", "uniform", "loguniform", "randint")
EXAMPLE = "e.g. space: {pairs_budget: {choice: [50, 100]}}"
KNOWN = "known."
DEFAULT_METRICS = {"align": "known.R@10"}
ENCODER_METRIC = "known.best_probe_accuracy"


class Range(Model):
    """Values of one key: exactly one of the four kinds."""

    choice: tuple[Any, ...] | None = None
    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    randint: tuple[int, int] | None = None
    grid: int | None = Field(None, description="points of a range in a grid")
    when: dict[str, Any] = Field({}, description="other key: value or values under which this key is searched")


class Watch(Model):
    """What a scheduler compares while trials run: a metric of a step, after every epoch."""

    step: str | None = Field(None, description="a step that is trained by epochs; null: the last of them")
    metric: str = "validation_loss"
    mode: Literal["min", "max"] = "min"
    grace: Count = Field(3, description="epochs that every trial may have")


class Search(Model):
    """A search. Everything but ``space`` has a default, and ``isthmus tune`` options of the same name come first."""

    set: dict[str, Any] = Field({}, description="keys of the recipe, for all trials")
    space: dict[str, Range] = Field(description=f"for each key one of {', '.join(KINDS)}, e.g. {{choice: [50, 100]}}")
    metric: str | None = Field(None, description="what decides; of the known pairs alone")
    mode: Literal["max", "min"] = "max"
    sampler: Literal["grid", "random", "optuna"] = "grid"
    trials: Count | None = Field(None, description="trials in all; null: the whole grid")
    scheduler: Literal["none", "asha", "median"] = "none"
    watch: Watch = Watch()
    concurrent: Count | None = Field(None, description="trials at a time; null: as many as the cluster has room for")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


def presets() -> dict[str, str]:
    """Names of the presets and the first comment line of each."""
    return {p.stem: p.read_text().splitlines()[0].lstrip("# ") for p in sorted(SPACES.glob("*.yaml"))}


def load_search(name_or_path: str, **options: Any) -> Search:
    """A preset by name or a YAML file; ``options`` that are not None replace its keys.

    Raises:
        UserError: no such file, or a key or value refused; the message names the key's path.
    """
    own = SPACES / f"{name_or_path}.yaml"
    path = own if own.exists() else Path(name_or_path).expanduser()
    if path.suffix not in {".yaml", ".yml"} or not path.is_file():
        told = f"name a .yaml file that exists, or one of: {', '.join(presets())}"
        raise UserError(f"no search space {name_or_path!r}", where="--space", do=told)
    data = parse_yaml(path, "a search space is a mapping with the key space", do=EXAMPLE)
    data |= {key: value for key, value in options.items() if value is not None}
    search: Search = validate(data, where=str(name_or_path), model=Search)
    return search


def base_recipe(recipe: str, search: Search, overrides: list[str]) -> Recipe:
    """The recipe with the search's ``set`` and then the user's overrides. Raises UserError as ``run`` does."""
    own = [f"{key}={yaml.safe_dump(value, default_flow_style=True).strip()}" for key, value in search.set.items()]
    return load_any_recipe(recipe, [*(line.removesuffix("\n...") for line in own), *overrides])


def space_of(search: Search, base: Recipe) -> Space:
    """The space, every value of it tried on the recipe.

    Raises:
        UserError: with the key: no such key in the recipe, a value that it refuses, an empty range.
    """
    space = Space.of([_dimension(key, values) for key, values in search.space.items()])
    first = {d.key: d.ends[0] for d in space.dimensions}
    for d in space.dimensions:
        for value in d.ends:
            recipe_at(base, {**first, d.key: value}, where=f"space.{d.key}")
    return space


def recipe_at(base: Recipe, point: Point, *, where: str = "space") -> Recipe:
    """The recipe of a trial. Raises UserError: a key or value that the recipe refuses."""
    data = base.model_dump(mode="json")
    for key, value in point.items():
        set_key(data, key, value, where=where)
    recipe: Recipe = validate(data, where=where, model=model_of(base.pipeline, where))
    return recipe


def metric_of(search: Search, base: Recipe) -> str:
    """What decides. Raises UserError for one that is measured on held-out pairs."""
    name = search.metric or DEFAULT_METRICS.get(base.pipeline, ENCODER_METRIC)
    if not name.startswith(KNOWN):
        told = "a search chooses by known pairs alone; held-out pairs are only told beside it"
        raise UserError(told, where=f"metric {name!r}", do="use a metric that begins with known., e.g. known.R@10")
    return name


def _dimension(key: str, values: Range) -> Dimension:
    where = f"space.{key}"
    given = [kind for kind in KINDS if getattr(values, kind) is not None]
    if len(given) != 1:
        raise UserError("give exactly one kind of values", where=where, do=f"one of {', '.join(KINDS)}")
    kind: Any = given[0]
    when = tuple((k, v if isinstance(v, tuple) else (v,)) for k, v in values.when.items())
    ends = {} if kind == "choice" else dict(zip(("low", "high"), getattr(values, kind), strict=True))
    return Dimension(key=key, kind=kind, values=values.choice or (), **ends, steps=values.grid, when=when)


def flat_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point as parameters for tables and parallel coordinates: plain numbers and words, ``none`` for null."""
    return {key: "none" if value is None else _plain(value) for key, value in point.items()}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else yaml.safe_dump(value, default_flow_style=True).strip()
