"""Where ``trained:NAME`` is: what the run of that name exported, or a folder; and graphs of recipes that name one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from components.encoders.registry import TRAINED
from components.errors import UserError
from components.files import Folder
from components.pretraining.artifact import ABOUT
from pipelines import align, encoders
from pipelines.encoder_recipe import EncodeRecipe
from pipelines.home import Home
from pipelines.recipe import AlignRecipe, Recipe, each_encoder
from pipelines.registry import BuildGraph

ENCODER = "encoder"
R = TypeVar("R", bound=Recipe)


def align_graph(recipe: AlignRecipe, home: Home) -> BuildGraph:
    """What builds the graph of an ``align`` recipe. Raises UserError for a trained encoder that is not there."""
    return partial(align.build, locate_trained(recipe, home))


def encoder_graph(recipe: EncodeRecipe, home: Home) -> BuildGraph:
    """What builds the graph of an encoder recipe. Raises UserError for weights to start from that are not there."""
    return partial(encoders.build, start_located(recipe, home))


def locate_trained(recipe: R, home: Home, keys: Sequence[str] = ("left", "right")) -> R:
    """The recipe with folders in place of the names of trained encoders. Raises UserError for a name without one.

    ``keys``: of the recipe's sources; those that are null stay.
    """
    sides = {key: source for key in keys if (source := getattr(recipe, key)) is not None}
    found = {side: each_encoder(v.encoder, lambda name: _located(name, home)) for side, v in sides.items()}
    return recipe.model_copy(update={s: v.model_copy(update={"encoder": found[s]}) for s, v in sides.items()})


def start_located(recipe: Any, home: Home) -> Any:
    model = recipe.model
    if model.weights is not None:
        model = model.model_copy(update={"weights": _located(model.weights, home)})
    return recipe.model_copy(update={"model": model})


def _located(encoder: str, home: Home) -> str:
    if not encoder.startswith(TRAINED):
        return encoder
    name = encoder.removeprefix(TRAINED)
    folder = Folder.at(name if "/" in name else home.results(name) / ENCODER)
    if folder.exists(ABOUT):
        return TRAINED + folder.path
    have = sorted(p.parent.parent.name for p in home.path.glob(f"results/*/{ENCODER}/{ABOUT}"))
    known = f"trained so far: {', '.join(have)}" if have else "none was trained in this home yet"
    raise UserError(
        f"there is no trained encoder {name!r} ({known})",
        where=folder.path,
        do="run `isthmus run encode-images` or `encode-texts` first",
    )
