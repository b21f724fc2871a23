"""Recipes: defaults, overrides, and refusals that name the key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import UserError
from pipelines.recipe import BASELINES, built_in, load_any_recipe, load_recipe, to_yaml, validate

MINIMAL = {
    "pipeline": "align",
    "left": {"source": "images.parquet"},
    "right": {"source": "texts.parquet"},
    "pairs": "pairs.csv",
}

ISSUE = """
pipeline: align
left:  {source: images.parquet}        # id, embedding
right: {source: texts.parquet}         # id, embedding
pairs: pairs.csv                       # left_id,right_id
pairs_budget: 100                      # drawn by seed from pairs
heldout: heldout.csv                   # left_id,right_id; evaluation only
aligner: sue                           # or eigen-cca, ridge-cca, procrustes, contrastive, …
seed: 0
"""


def test_the_recipe_of_the_readme_is_accepted_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "Mine.yaml"
    file.write_text(ISSUE)
    recipe = load_recipe(str(file))
    assert recipe.name == "mine"
    assert recipe.left.source == str(tmp_path / "images.parquet")
    assert recipe.pairs == str(tmp_path / "pairs.csv")
    assert recipe.heldout == str(tmp_path / "heldout.csv")
    assert recipe.methods == ("sue", *BASELINES)


@pytest.mark.parametrize("name", built_in())
def test_built_in_recipes_load_and_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    recipe = load_any_recipe(name)
    file = tmp_path / "again.yaml"
    file.write_text(to_yaml(recipe))
    assert load_any_recipe(str(file)) == recipe


def test_the_paper_is_in_the_recipe_sue() -> None:
    sue = load_recipe("sue")
    assert sue.spectral.spectralnet.widths == (4096, 4096, 1024)
    assert (sue.spectral.solver, sue.cca.dim, sue.cca.ridge, sue.mmd.pair_weight) == ("spectralnet", 8, 0.0, 0.0)


def test_overrides_reach_any_depth_and_read_numbers_as_people_write_them() -> None:
    recipe = load_recipe("emoji", ["spectral.graph.neighbours=20", "mmd.learning_rate=1e-4", "pairs_budget=50"])
    assert (recipe.spectral.graph.neighbours, recipe.mmd.learning_rate, recipe.pairs_budget) == (20, 1e-4, 50)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("spectral.dim=1", ["'spectral.dim'", "greater than or equal to 2", "got 1"]),
        ("spectral.solvr=eigen", ["'spectral.solvr'", "unknown key", "solver, dim, graph, spectralnet"]),
        ("aligner=magic", ["'aligner'", "'sue'", "'procrustes'", "got 'magic'"]),
        ("pairs_budget=ten", ["'pairs_budget'", "valid integer"]),
        ("settings={csa: {width: 3}}", ["'settings", "'width' is not a setting of csa"]),
        ("settings={sue: {dim: 3}}", ["settings of sue have keys of their own"]),
        ("hubness=magic", ["'hubness'", "'potential'", "'csls'"]),
        ("pairs_budget=-1", ["'pairs_budget'", "greater than or equal to 0"]),
        ("spectral=3", ["'spectral'", "solver, dim, graph, spectralnet"]),
        ("spectral.graph.scale_k=40", ["'spectral.graph'", "scale_k 40 must not exceed neighbours"]),
        ("scaling={workers: 2, min_workers: 3}", ["'scaling'", "min_workers 3 must not exceed workers 2"]),
        ("left.max_bad_fraction=1.5", ["'left.max_bad_fraction'", "less than 1"]),
        ("seed=true", ["'seed'", "valid integer"]),
        ("nonsense", ["key.path=value"]),
        ("seed.deeper=1", ["'seed' is a value"]),
    ],
)
def test_a_refusal_names_the_key_and_what_is_allowed(override: str, told: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe("emoji", [override])
    for part in told:
        assert part in str(caught.value)


def test_a_missing_key_is_named_and_further_errors_are_counted() -> None:
    broken = {k: v for k, v in MINIMAL.items() if k != "left"} | {"seed": -1}
    with pytest.raises(UserError, match=r"'left': missing; 1 more such error"):
        validate(broken)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "\xff"])
def test_files_that_are_no_recipe_are_refused_by_name(text: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"bad\.yaml"):
        load_recipe(str(file))


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"emoji, .*sue"):
        load_recipe("emojy")
