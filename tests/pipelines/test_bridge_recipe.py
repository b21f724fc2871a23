"""Recipe ``bridge``: a word for the language, paths beside the file, ways and estimators, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.errors import UserError
from pipelines.bridge_recipe import BridgeRecipe
from pipelines.recipe import load_any_recipe, validate

SIDES: dict[str, Any] = {side: {"source": f"{side}.parquet"} for side in "abc"}
FULL: dict[str, Any] = {**SIDES, "pipeline": "bridge", "name": "x", "pairs": {"ab": "ab.csv", "bc": "bc.csv"}}


def made(**changes: Any) -> BridgeRecipe:
    recipe: BridgeRecipe = validate({k: v for k, v in {**FULL, **changes}.items() if v is not None}, model=BridgeRecipe)
    return recipe


@pytest.mark.parametrize("language", ["ja", "fr", "de"])
def test_the_built_in_recipe_takes_any_language_in_one_word(language: str) -> None:
    recipe = load_any_recipe("bridge-emoji", [f"language={language}"])
    assert isinstance(recipe, BridgeRecipe) and recipe.c is not None
    assert (recipe.c.source, recipe.names.c) == (f"builtin:emoji-names:{language}", language)
    assert "{language}" not in recipe.model_dump_json()


def test_paths_are_beside_the_file_and_names_stay() -> None:
    base = Path("/data/set")
    sides = {"a": {"source": "builtin:emoji-pictures", "encoder": "trained:mine"}, "b": {"source": "s3://bucket/b"}}
    recipe = made(**sides, heldout="across.csv").absolute(base)
    assert recipe.a is not None and recipe.b is not None and recipe.c is not None and recipe.pairs is not None
    assert (recipe.a.source, recipe.a.encoder) == ("builtin:emoji-pictures", "trained:mine")
    assert (recipe.b.source, recipe.c.source) == ("s3://bucket/b", "/data/set/c.parquet")
    assert (recipe.pairs.ab, recipe.heldout, recipe.truth) == ("/data/set/ab.csv", "/data/set/across.csv", None)
    chained = validate({"pipeline": "bridge", "name": "x", "spaces": {"ab": "run", "bc": "./m"}}, model=BridgeRecipe)
    assert (chained.absolute(base).spaces.ab, chained.absolute(base).spaces.bc) == ("run", "/data/set/m")


def test_ways_follow_the_critics_and_the_exported_estimator_comes_first() -> None:
    assert made().ways == ("aligned", "shared", "separate")
    assert made(critics={"train": "none"}).ways == ("aligned",)
    assert made(critics={"train": "shared", "aligners": []}).ways == ("shared",)
    spaces = {"ab": "one", "bc": "two"}
    assert made(a=None, b=None, c=None, pairs=None, spaces=spaces).ways == ("spaces",)
    assert made(estimators=["direct", "smoothed"], estimator="smoothed").methods == ("smoothed", "direct")
    assert made(estimators=["direct"]).methods == ("monte-carlo", "direct")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"a": None, "c": None}, "a, c missing: name three sources, or two spaces made by align"),
    ({"pairs": None}, "pairs.ab and pairs.bc are missing"),
    ({"spaces": {"ab": "x", "bc": "y"}}, "spaces bring their corpora with them: leave a, b, c out"),
    ({"names": {"a": "en", "b": "en"}}, "en, en and c are not three names"),
    ({"names": {"a": "two words"}}, "names.a"),
    ({"critics": {"aligners": [], "train": "none"}}, "there is no way to make critics"),
    ({"critics": {"aligners": ["sue"]}}, "sue cannot make a critic"),
    ({"critics": {"train": "none", "export": "shared"}}, "export is shared, but only aligned critics are made"),
    ({"budgets": {"ab": 9}}, "budgets.ab"),
    ({"bridge": {"bandwidth": 1.5}}, "bridge.bandwidth"),
    ({"bridge": {"ess_floor": -1}}, "bridge.ess_floor"),
    ({"estimator": "mc"}, "estimator"),
    ({"language": "ja", "heldout": ["{language}"]}, "heldout"),
]


@pytest.mark.parametrize(("changes", "told"), BAD)
def test_what_makes_no_bridge_is_refused_with_its_key(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as refused:
        made(**changes)
    assert told in str(refused.value)
