"""``isthmus evaluate`` in this process: a world of named things, whose parts both sides see; a world without words."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result
from worlds import World, write_embeddings, write_pairs, write_world

from components.errors import UserError
from pipelines.align import build as build_align
from pipelines.cli import app
from pipelines.evaluate import APPLICATIONS, build, chosen
from pipelines.recipe import load_recipe

pytestmark = pytest.mark.slow
MakeHome = Callable[[Path], Path]
SIZES = ("tiny", "small", "large", "huge", "giant")
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange", "brown", "black")
SHAPES = ("heart", "circle", "square", "star", "moon", "arrow", "flag", "cloud")
NAMED = """
pipeline: align
left:  {source: things.parquet}
right: {source: names.parquet, encoder: hashed-tfidf}
pairs: pairs.csv
pairs_budget: 90
aligner: kernel-ridge
splits: {draws: 3}
spectral: {dim: 8, graph: {neighbours: 8, scale_k: 4}}
seed: 0
"""


def evaluate(recipe: Path, home: Path, *args: str) -> Result:
    command = ["evaluate", str(recipe), "--no-ray", "--home", str(home), *args]
    return CliRunner().invoke(app, command, env={"COLUMNS": "200"})


def only(*names: str) -> list[str]:
    return [word for name in names for word in ("--only", name)]


def write_named(folder: Path) -> Path:
    """320 things; a thing's vector is the sum of what its size, colour and shape look like. Label: the shape."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    looks = {word: rng.normal(size=24) for word in (*SIZES, *COLOURS, *SHAPES)}
    names = [" ".join(parts) for parts in product(SIZES, COLOURS, SHAPES)]
    rows = {f"T{n}": sum(looks[w] for w in name.split()) + 0.1 * rng.normal(size=24) for n, name in enumerate(names)}
    shapes = [name.split()[-1] for name in names]
    write_embeddings(folder / "things.parquet", {k: np.float32(v) for k, v in rows.items()})
    things = pq.read_table(folder / "things.parquet")
    pq.write_table(things.append_column("label", pa.array(shapes)), folder / "things.parquet")
    ids = [f"N{n}" for n in range(len(names))]
    pq.write_table(pa.table({"id": ids, "text": names, "title": names, "label": shapes}), folder / "names.parquet")
    write_pairs(folder / "pairs.csv", [(f"T{n}", f"N{n}") for n in range(len(names))])
    (folder / "recipe.yaml").write_text(NAMED)
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[Path, Path, dict[str, Any]]:
    """Recipe, home and numbers of the applications that learn from the recipe's own rows."""
    root = tmp_path_factory.mktemp("named")
    recipe, home = write_named(root / "world"), make_home(root / "home")
    result = evaluate(recipe, home, *only("zero-shot", "arithmetic", "transfer", "universality"))
    assert result.exit_code == 0, result.output
    return recipe, home, json.loads((home / "results" / "recipe" / "applications.json").read_text())


def test_names_classify_things_and_shuffled_pairs_do_not(named: tuple[Path, Path, dict[str, Any]]) -> None:
    found = named[2]["zero_shot"]["label"]
    assert found["classes"] == sorted(SHAPES) and found["items"] == 80
    chance = found["chance"]["accuracy"]
    assert chance == 1 / 8 and found["methods"]["kernel-ridge"]["accuracy"]["low"] > 3 * chance
    assert found["methods"]["shuffled pairs"]["accuracy"]["low"] <= chance + 0.1


def test_sums_find_more_than_their_parts(named: tuple[Path, Path, dict[str, Any]]) -> None:
    found = named[2]["arithmetic"]
    ours = found["methods"]["kernel-ridge"]
    own, alone = ours["texts"]["A@5"], ours["text_a"]["A@5"]
    assert own["mean"] > alone["mean"] + 0.1 and found["gains"]["texts"]["text_a"]["low"] > 0
    assert found["control"]["texts"]["A@5"]["mean"] < 3 * found["chance"]["A@5"]


def test_sides_may_change_places(named: tuple[Path, Path, dict[str, Any]]) -> None:
    recipe, home, found = named
    sides = recipe.read_text().replace("left:", "other:").replace("right:", "left:").replace("other:", "right:")
    pairs = [(f"N{n}", f"T{n}") for n in range(320)]
    write_pairs(recipe.parent / "turned.csv", pairs)
    turned = recipe.parent / "turned.yaml"
    turned.write_text(sides.replace("pairs.csv", "turned.csv"))
    assert evaluate(turned, home, *only("zero-shot", "arithmetic")).exit_code == 0
    other = json.loads((home / "results" / "turned" / "applications.json").read_text())
    for read in (
        lambda numbers: numbers["zero_shot"]["label"]["methods"]["kernel-ridge"]["accuracy"]["mean"],
        lambda numbers: numbers["arithmetic"]["methods"]["kernel-ridge"]["texts"]["A@10"]["mean"],
    ):
        assert read(other) == pytest.approx(read(found), abs=0.25)  # other pairs are held out
        assert read(other) > 0.35


def test_labels_of_things_name_texts(named: tuple[Path, Path, dict[str, Any]]) -> None:
    accuracy = named[2]["transfer"]["accuracy"]
    assert accuracy["kernel-ridge"]["low"] > 0.3 > accuracy["shuffled pairs"]["mean"]
    assert not {"source only", "displaced"} & accuracy.keys()  # the sides have different columns
    assert accuracy["oracle"]["mean"] >= accuracy["commonest class"]["mean"]


def test_both_sides_have_one_geometry(named: tuple[Path, Path, dict[str, Any]]) -> None:
    found = named[2]["universality"]
    assert max(found[name]["p"] for name in ("walks", "cosines", "angles")) < 0.01


def test_the_page_has_a_section_for_each_and_needs_nothing(named: tuple[Path, Path, dict[str, Any]]) -> None:
    page = (named[1] / "results" / "recipe" / "applications.html").read_text()
    assert page.count("<section id=") == 5 and "http" not in page.replace("http-equiv", "")
    assert "tiny" in page and "data:image/svg+xml" in page


def test_the_graph_goes_on_from_run_and_a_second_time_all_is_cached(named: tuple[Path, Path, dict[str, Any]]) -> None:
    recipe, home, _ = named
    again = evaluate(recipe, home, *only("zero-shot", "arithmetic", "transfer", "universality"))
    assert "0 steps ran" in again.output, again.output
    ours = build(load_recipe(str(recipe)), cache_dir=home / "cache", engine="local")
    theirs = build_align(load_recipe(str(recipe)), cache_dir=home / "cache", engine="local")
    common = set(ours.steps) & set(theirs.steps)
    assert {"shard-left", "encode-right", "pairs"} <= common
    assert all(ours.keys[name] == theirs.keys[name] for name in common)
    assert {"confidence", "evaluate", "report", "export"}.isdisjoint(ours.steps)


DOMAINS = """
pipeline: align
left:  {source: left.parquet}
right: {source: right.parquet}
pairs: pairs.csv
pairs_budget: 30
aligner: procrustes
splits: {draws: 3}
"""


def test_two_domains_with_few_correspondences_share_labels(tmp_path: Path, make_home: MakeHome) -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    kinds = rng.integers(6, size=400)
    rows = 2 * rng.normal(size=(6, 16))[kinds] + 0.5 * rng.normal(size=(400, 16))
    for side, seen in (("left", rows), ("right", rows @ turn)):
        path = tmp_path / f"{side}.parquet"
        write_embeddings(path, {f"i{n}": np.float32(v) for n, v in enumerate(seen)})
        pq.write_table(pq.read_table(path).append_column("label", pa.array([f"kind {k}" for k in kinds])), path)
    write_pairs(tmp_path / "pairs.csv", [(f"i{n}", f"i{n}") for n in range(400)])
    (tmp_path / "recipe.yaml").write_text(DOMAINS)
    result = evaluate(tmp_path / "recipe.yaml", make_home(tmp_path / "home"), *only("transfer"))
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "home" / "results" / "recipe" / "applications.json").read_text())["transfer"]
    accuracy = {name: a["mean"] for name, a in found["accuracy"].items()}
    assert accuracy["source only"] < 0.5 < 0.9 < accuracy["procrustes"] and accuracy["oracle"] > 0.95
    assert accuracy["displaced"] > 0.9
    assert found["closed"]["procrustes"]["low"] > 0.8 > found["closed"]["shuffled pairs"]["mean"]


@pytest.fixture(scope="module")
def wordless(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[World, Path]:
    root = tmp_path_factory.mktemp("wordless")
    return write_world(root / "world"), make_home(root / "home")


def test_what_a_recipe_has_nothing_for_is_one_sentence(wordless: tuple[World, Path]) -> None:
    world, home = wordless
    result = evaluate(world.recipe, home, *only("zero-shot", "transfer", "generation", "budget-curves"))
    assert isinstance(result.exception, UserError)
    told = str(result.exception)
    assert "generation: left, right: neither side reads texts" in told and "no labels to transfer" in told
    page = (home / "results" / "recipe" / "applications.html").read_text()
    assert "Not measured here" in page and "Pairs and unpaired rows" in page
    curves = json.loads((home / "results" / "recipe" / "applications.json").read_text())["curves"]
    assert set(curves["pairs"]["kernel-ridge"]) == {"10", "30"}  # 90 known pairs
    assert curves["pairs"]["kernel-ridge"]["30"]["mean"] > curves["pairs"]["kernel-ridge"]["10"]["mean"]


def test_unknown_applications_and_recipes_without_pairs_are_refused(wordless: tuple[World, Path]) -> None:
    with pytest.raises(UserError, match="is no application"):
        chosen(["zero"])
    assert chosen(["arithmetic", "zero-shot"]) == ("zero-shot", "arithmetic") and chosen([]) == tuple(APPLICATIONS)
    settings = ["pairs_budget=0", "aligner=wasserstein-procrustes"]
    with pytest.raises(UserError, match="fits on no pair"):
        build(load_recipe(str(wordless[0].recipe), settings), cache_dir=wordless[1])
