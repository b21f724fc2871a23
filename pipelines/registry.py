"""The pipelines by the ``pipeline`` key of a recipe: its model, what builds the graph, what publishes the results."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from components.errors import UserError

if TYPE_CHECKING:
    from cluster.workflow.graph import Graph
    from pipelines.align import Engine
    from pipelines.home import Home
    from pipelines.recipe import Recipe


class BuildGraph(Protocol):
    """Makes the graph of a recipe."""

    def __call__(self, *, cache_dir: Path, engine: Engine) -> Graph: ...


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Names of what belongs to a pipeline, as ``module:attribute``: imported only when it is used."""

    model: str  # a subclass of pipelines.recipe.Recipe
    graph: str  # (recipe, home) -> BuildGraph
    publish: str  # (recipe, RunResult, home, RunOptions, console) -> None


PIPELINES = {
    "align": Pipeline(
        model="pipelines.recipe:AlignRecipe",
        graph="pipelines.trained:align_graph",
        publish="pipelines.align_results:publish_align",
    ),
    "bridge": Pipeline(
        model="pipelines.bridge_recipe:BridgeRecipe",
        graph="pipelines.bridge:bridge_graph",
        publish="pipelines.bridge_results:publish_bridge",
    ),
    **{
        f"encode-{kind}": Pipeline(
            model=f"pipelines.encoder_recipe:Encode{kind.capitalize()}Recipe",
            graph="pipelines.trained:encoder_graph",
            publish="pipelines.encoder_results:publish_encoder",
        )
        for kind in ("images", "texts")
    },
}


def model_of(pipeline: Any, where: str) -> type[Recipe]:
    """The recipe's model. Raises UserError for an unknown pipeline."""
    if pipeline not in PIPELINES:
        told = f"key 'pipeline': {pipeline!r} is no pipeline"
        raise UserError(told, where=where, do=f"use one of {', '.join(PIPELINES)}")
    model: type[Recipe] = _load(PIPELINES[pipeline].model)
    return model


def graph_of(recipe: Recipe, home: Home) -> BuildGraph:
    """What builds the recipe's graph. Raises UserError for a trained encoder that is not there."""
    build: BuildGraph = _load(PIPELINES[recipe.pipeline].graph)(recipe, home)
    return build


def publisher_of(recipe: Recipe) -> Any:
    """What puts the results of a run under fixed names and prints them."""
    return _load(PIPELINES[recipe.pipeline].publish)


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
