"""``isthmus suggest`` in this process: the graph, the files, going on from pairs, and what bad input says."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result
from worlds import World, write_embeddings, write_pairs, write_world

from components.corpora.splits import known_so_far
from components.errors import UserError
from pipelines.align import build as build_align
from pipelines.cli import app
from pipelines.home import Home
from pipelines.recipe import load_recipe
from pipelines.runner import RunOptions
from pipelines.steps.pairs import split_config
from pipelines.suggest import SuggestConfig, build, suggest_and_print

MakeHome = Callable[[Path], Path]
UNPAIRED = """
pipeline: align
left:  {source: images.parquet}
right: {source: texts.parquet}
aligner: ridge-cca
spectral: {dim: 8, graph: {neighbours: 8, scale_k: 4}}
"""


def suggest(world: World, home: Path, *args: str) -> Result:
    command = ["suggest", str(world.recipe), "--no-ray", "--home", str(home), *args]
    return CliRunner().invoke(app, command, env={"COLUMNS": "200"})


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[World, Path]:
    """A world whose recipe has no pairs, and a home that has its corpora already."""
    root = tmp_path_factory.mktemp("bare")
    world, home = write_world(root / "world", recipe=UNPAIRED), make_home(root / "home")
    result = suggest(world, home, "--budget", "25")
    assert result.exit_code == 0, result.output
    return world, home


def test_without_pairs_the_list_is_of_one_side_and_nothing_is_filled_in(bare: tuple[World, Path]) -> None:
    world, home = bare
    rows = listed(home / "results" / "recipe" / "to_pair.csv")
    assert len({r["left_id"] for r in rows}) == 25 and {r["right_id"] for r in rows} == {""}
    assert {r["left_id"] for r in rows} <= set(world.left)
    page = (home / "results" / "recipe" / "to_pair.html").read_text()
    assert all(f"<code>{r['left_id']}</code>" in page for r in rows) and "no pairs were known" in page


def test_the_choice_covers_more_than_random_items(bare: tuple[World, Path], tmp_path: Path) -> None:
    told = suggest(*bare, "--budget", "25", "--out", str(tmp_path)).output
    assert "25 items; left coverage" in told and "3 were cached" in told
    shown = CliRunner().invoke(app, ["show", "suggest", "--home", str(bare[1])], env={"COLUMNS": "200"}).output
    facts = json.loads(shown[shown.index("facts") + 5 : shown.rindex("}") + 1])
    assert facts["coverage.left"] > facts["coverage_of_random.left"]


def test_only_what_is_needed_is_encoded(bare: tuple[World, Path], tmp_path: Path) -> None:
    recipe = load_recipe(str(bare[0].recipe))
    one = build(recipe, SuggestConfig(side="right"), cache_dir=tmp_path, engine="local")
    assert set(one.steps) == {"shard-right", "encode-right", "suggest"}
    both = build(recipe, SuggestConfig(side="both"), cache_dir=tmp_path, engine="local")
    known = build(recipe, SuggestConfig(known=str(bare[0].folder / "pairs.csv")), cache_dir=tmp_path, engine="local")
    assert (
        set(both.steps)
        == set(known.steps)
        == {f"{s}-{n}" for s in ("shard", "encode") for n in ("left", "right")} | {"suggest"}
    )


def test_the_first_steps_are_those_of_run(tmp_path: Path) -> None:
    recipe = load_recipe(str(write_world(tmp_path / "world").recipe))
    ours, theirs = build(recipe, SuggestConfig(), cache_dir=tmp_path), build_align(recipe, cache_dir=tmp_path)
    for name in set(ours.steps) - {"suggest"}:
        assert ours.keys[name] == theirs.keys[name]


def test_a_filled_in_list_is_never_overwritten(bare: tuple[World, Path], tmp_path: Path) -> None:
    for _ in range(2):  # the same list again is the same file
        assert suggest(*bare, "--budget", "25", "--out", str(tmp_path)).exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["to_pair.csv", "to_pair.html"]
    mine = (tmp_path / "to_pair.csv").read_text().replace(",,", ",R301,", 1)
    (tmp_path / "to_pair.csv").write_text(mine)
    told = suggest(*bare, "--budget", "25", "--out", str(tmp_path)).output
    assert "to_pair-2.csv" in told and (tmp_path / "to_pair.csv").read_text() == mine


def test_a_list_filled_in_by_half_is_what_the_next_batch_goes_on_from(bare: tuple[World, Path], tmp_path: Path) -> None:
    """Both directions: as ``--known``, and as ``pairs`` of the recipe."""
    world, home = bare
    paired = write_world(tmp_path / "world")  # left and right rows of these ids are of one item
    pairs = listed(paired.folder / "pairs.csv")
    rows = [{"left_id": p["left_id"], "right_id": p["right_id"] if n % 2 else ""} for n, p in enumerate(pairs[:40])]
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["left_id", "right_id"])
        writer.writeheader()
        writer.writerows(rows)
    filled = {r["left_id"] for r in rows if r["right_id"]}
    result = suggest(
        world, home, "--budget", "9", "--known", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out")
    )
    assert result.exit_code == 0, result.output
    assert "20 rows are left out, without a partner" in " ".join(result.output.split())
    chosen = {r["left_id"] for r in listed(tmp_path / "out" / "to_pair.csv")}
    assert len(chosen) == 9 and not chosen & filled
    again = suggest(
        world, home, "--budget", "9", "--set", f"pairs={tmp_path / 'mine.csv'}", "--out", str(tmp_path / "out2")
    )
    assert again.exit_code == 0, again.output
    assert "held out for evaluation" in " ".join(again.output.split())


def test_held_out_rows_are_neither_asked_for_nor_looked_at(tmp_path: Path, make_home: MakeHome) -> None:
    """Whatever stands in held-out rows, and whoever their partners are, the list is the same."""
    lists = []
    for name in ("as it is", "changed"):
        world = write_world(tmp_path / name)
        held = listed(world.folder / "heldout.csv")
        if name == "changed":
            noise = np.random.default_rng(0)
            for side, rows, file in (("left_id", world.left, "images"), ("right_id", world.right, "texts")):
                out = {h[side] for h in held}
                changed = {i: noise.normal(size=v.shape).astype(np.float32) if i in out else v for i, v in rows.items()}
                write_embeddings(world.folder / f"{file}.parquet", changed)
            rights = [h["right_id"] for h in held]
            write_pairs(
                world.folder / "heldout.csv", [(h["left_id"], r) for h, r in zip(held, rights[::-1], strict=True)]
            )
        result = suggest(
            world,
            make_home(tmp_path / f"home {name}"),
            "--budget",
            "15",
            "--side",
            "both",
            "--out",
            str(tmp_path / "o" / name),
        )
        assert result.exit_code == 0, result.output
        rows = listed(tmp_path / "o" / name / "to_pair.csv")
        assert not {r["left_id"] for r in rows} & {h["left_id"] for h in held}
        assert not {r["right_id"] for r in rows} & {h["right_id"] for h in held}
        lists.append(rows)
    assert lists[0] == lists[1]


def test_pairs_drawn_for_evaluation_are_not_gone_on_from(tmp_path: Path, make_home: MakeHome) -> None:
    """The recipe names no held-out pairs: those that ``run`` would draw are left alone, also if named as known."""
    world, home = write_world(tmp_path / "world"), make_home(tmp_path / "home")
    settings = ("--set", "heldout=null", "--set", "pairs_budget=null", "--budget", "5")
    result = suggest(world, home, *settings, "--known", str(world.folder / "pairs.csv"))
    assert result.exit_code == 0, result.output
    recipe = load_recipe(str(world.recipe), ["heldout=null", "pairs_budget=null"])
    pairs = [(r["left_id"], r["right_id"]) for r in listed(world.folder / "pairs.csv")]
    now = known_so_far(pairs, None, split_config(recipe.splits.model_dump() | {"pairs_budget": None, "seed": 0}))
    assert f"{len(now.heldout)} of the pairs to go on from are held out by the recipe" in " ".join(
        result.output.split()
    )
    facts = CliRunner().invoke(app, ["show", "suggest", "--home", str(home)]).output
    assert f'"known": {len(now.fitted)}' in facts and f'"heldout": {len(now.heldout)}' in facts


BAD: dict[str, tuple[list[str], str]] = {
    "more than there is": (["--budget", "9999"], "budget: 9999 are asked for and only 450 can be chosen"),
    "nothing": (["--budget", "0"], "budget: 0 is not allowed; give a number at least 1"),
    "a side that is none": (["--side", "top"], "side: 'top' is not allowed; choose from left, right, both"),
    "a method that is none": (["--method", "luck"], "method: 'luck' is not allowed; choose from facility-location"),
    "pairs that are not there": (["--known", "gone.csv"], "gone.csv: no such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_a_failing_exit_code(name: str, bare: tuple[World, Path]) -> None:
    args, told = BAD[name]
    result = suggest(*bare, *args)
    text = " ".join(result.output.split()) + str(result.exception or "")
    assert result.exit_code != 0 and told in text and "Traceback" not in result.output


def test_unknown_ids_in_known_pairs_are_named(bare: tuple[World, Path], tmp_path: Path) -> None:
    write_pairs(tmp_path / "known.csv", [("L0", "R300"), ("L9999", "R301")])
    result = suggest(*bare, "--known", str(tmp_path / "known.csv"))
    assert result.exit_code == 1
    assert "known.csv: 1 id ('L9999') of column left_id is not in the left corpus" in " ".join(result.output.split())


def test_run_says_that_it_needs_pairs(bare: tuple[World, Path]) -> None:
    for command in (["run", str(bare[0].recipe), "--no-ray"], ["plan", str(bare[0].recipe)]):
        result = CliRunner().invoke(app, [*command, "--home", str(bare[1])])
        assert result.exit_code != 0
        assert "the recipe has no pairs" in str(result.exception) and "isthmus suggest" in str(result.exception)


@pytest.mark.ray
@pytest.mark.slow
def test_ray_and_one_process_make_the_same_list(
    ray_cluster: None, bare: tuple[World, Path], tmp_path: Path, make_home: MakeHome
) -> None:
    recipe, options = load_recipe(str(bare[0].recipe)), RunOptions(use_ray=True)
    console = Console(record=True, width=160, file=open(os.devnull, "w"))
    home = Home.open(make_home(tmp_path / "home"))
    assert suggest_and_print(recipe, SuggestConfig(budget=25), home, options, console) == 0, console.export_text()
    for name in ("to_pair.csv", "to_pair.html"):
        on_ray, alone = (h / "results" / "recipe" / name for h in (home.path, bare[1]))
        assert on_ray.read_bytes() == alone.read_bytes()


def test_a_wrong_setting_is_refused_before_anything_runs() -> None:
    with pytest.raises(UserError, match="choose from left, right, both"):
        SuggestConfig(side="middle")
