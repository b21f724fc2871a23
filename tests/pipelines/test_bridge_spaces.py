"""Two spaces made by ``align`` with few pairs each, chained through the rows of B that both have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bridge_recipe_world import BridgeWorld, metrics_of, run, search, write_bridge_world
from worlds import write_pairs

from components.bridge_model import BridgeModel
from components.files import Folder
from pipelines.home import Home
from pipelines.recipe import load_any_recipe
from pipelines.registry import graph_of
from pipelines.runner import RunOptions, run_recipe

ALIGN = """
pipeline: align
left: {{source: {left}.parquet}}
right: {{source: {right}.parquet}}
pairs: {left}{right}-few.csv
aligner: ridge-cca
splits: {{draws: 2, heldout_fraction: 0.2}}
seed: 0
"""
CHAINED = """
pipeline: bridge
spaces: {ab: one, bc: two}
names: {a: image, b: en, c: ja}
heldout: across.csv
estimators: [monte-carlo]
bridge: {sizes: [50]}
seed: 0
"""


def write_edges(world: BridgeWorld) -> None:
    """Pairs of different items on the two edges; 60 further items judge."""
    for name, (left, right), numbers in (("one", "ab", range(100)), ("two", "bc", range(100, 200))):
        pairs = [(f"{left}{n}", f"{right}{n}") for n in numbers]
        write_pairs(world.folder / f"{left}{right}-few.csv", pairs)
        (world.folder / f"{name}.yaml").write_text(ALIGN.format(left=left, right=right))
    write_pairs(world.folder / "across.csv", [(f"a{n}", f"c{n}") for n in range(240, 300)])
    world.recipe.write_text(CHAINED)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory, make_home: Callable[[Path], Path]) -> tuple[BridgeWorld, Path]:
    from rich.console import Console

    root = tmp_path_factory.mktemp("spaces")
    world, home = write_bridge_world(root / "world"), make_home(root / "home")
    write_edges(world)
    console = Console(record=True, width=160, file=open("/dev/null", "w"))
    for name in ("one", "two"):
        recipe = load_any_recipe(str(world.folder / f"{name}.yaml"))
        assert run_recipe(recipe, Home.open(home), RunOptions(use_ray=False), console) == 0, console.export_text()
    code, text = run(world, home)
    assert code == 0, text
    return world, home


def test_two_aligned_spaces_find_what_neither_was_shown(aligned: tuple[BridgeWorld, Path]) -> None:
    metrics = metrics_of(aligned[1])
    found = metrics["retrieval"]["monte-carlo (spaces)"]["mean"]["R@10"]
    assert metrics["pairs"]["heldout"] == 60 and metrics["retrieval"]["chance"]["mean"]["R@10"] == pytest.approx(
        100 / 6
    )
    assert found > 60
    critics = metrics["ways"]["spaces"]["critics"]
    assert critics["ab"]["scale"] != critics["bc"]["scale"] > 1  # calibrated, each by its own known pairs


def test_the_chained_model_searches_any_side_by_any_other(aligned: tuple[BridgeWorld, Path]) -> None:
    world, home = aligned
    model = BridgeModel.load(Folder.at(Home.open(home).results("recipe") / "bridge"))
    ids = range(240, 300)
    hits = [
        f"a{n}" in [m.id for m in model.search(world.rows["c"][n].tolist(), asked="c", to="a", k=30).matches]
        for n in ids
    ]
    assert np.mean(hits) > 0.5  # of 300 rows: chance is 1/10
    assert "ja -> image" in search(home, json.dumps(world.rows["c"][250].tolist()), "--from", "ja")


def test_a_space_made_again_is_another_input(aligned: tuple[BridgeWorld, Path]) -> None:
    world, home = aligned
    place = Home.open(home)
    graph = graph_of(load_any_recipe(str(world.recipe)), place)(cache_dir=place.cache, engine="local")
    assert graph.steps["space-ab"].externals != graph.steps["space-bc"].externals
    assert graph.steps["critics-spaces"].inputs.keys() == {"space-ab", "space-bc"}


def test_what_cannot_be_chained_is_refused(aligned: tuple[BridgeWorld, Path], tmp_path: Path) -> None:
    world, home = aligned
    with pytest.raises(ValueError, match="no aligned model"):
        run(world, home, "spaces.ab=nothing")
    write_pairs(world.folder / "across.csv", [("a5", "c250"), ("a251", "c251")])
    code, text = run(world, home)
    assert code != 0 and "'a5'" in text and "A–B pairs too" in text
    write_pairs(world.folder / "across.csv", [(f"a{n}", f"c{n}") for n in range(240, 300)])
    for edge in ("one", "two"):
        Folder.at(Home.open(home).results(edge) / "model").copy_to(Folder.at(tmp_path / edge))
    (tmp_path / "two" / "confidence.json").unlink()
    about = json.loads((tmp_path / "two" / "model.json").read_text())
    about["files"].pop("confidence.json")
    (tmp_path / "two" / "model.json").write_text(json.dumps(about))
    code, text = run(world, home, f"spaces={{ab: {tmp_path}/one, bc: {tmp_path}/two}}")
    assert code != 0 and "scale of space bc is missing" in " ".join(text.split())
    assert run(world, home, f"spaces={{ab: {tmp_path}/one, bc: {tmp_path}/two, bc_scale: 8.0}}")[0] == 0
    code, text = run(world, home, "spaces={ab: one, bc: two, ab_scale: 1e308, bc_scale: 1e308}")
    assert code != 0 and "critics gave scores that are NaN or infinite" in " ".join(text.split())
    with pytest.raises(ValueError, match=r"bc_scale.*got nan"):
        run(world, home, "spaces={ab: one, bc: two, bc_scale: .nan}")
    code, text = run(world, home, f"spaces={{ab: {tmp_path}/one, bc: {tmp_path}/one}}", "heldout=null")
    assert code != 0 and "the bridge is empty" in " ".join(text.split())
