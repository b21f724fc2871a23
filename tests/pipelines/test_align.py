"""The align DAG as a description: which steps there are, and what changes which key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from worlds import write_world

from cluster.workflow.graph import Graph
from components.alignment.candidates import CANDIDATES, LINEAR
from components.alignment.registry import METHODS
from components.errors import UserError
from pipelines.align import build
from pipelines.recipe import AlignerName, AlignRecipe, load_recipe


def graph_of(recipe: AlignRecipe, tmp_path: Path) -> Graph:
    return build(recipe, cache_dir=tmp_path / "cache", engine="local")


def changed(tmp_path: Path, *overrides: str) -> set[str]:
    """Names of the steps whose key changes under these overrides."""
    before = graph_of(load_recipe("emoji"), tmp_path).keys
    after = graph_of(load_recipe("emoji", list(overrides)), tmp_path).keys
    return {name for name in before if before[name] != after.get(name)}


def test_every_node_of_the_issue_is_a_step(tmp_path: Path) -> None:
    names = set(graph_of(load_recipe("emoji"), tmp_path).steps)
    for node in ("shard", "encode", "spectral"):
        assert {f"{node}-left", f"{node}-right"} <= names
    assert {"pairs", "gauge", "cca", "mmd-net", "evaluate", "report", "export"} <= names
    assert {f"fit-{m}" for m in ("ridge-cca", "procrustes", "kernel-ridge", "contrastive")} <= names


def test_baselines_are_in_the_table_whatever_the_aligner(tmp_path: Path) -> None:
    recipe = load_recipe("emoji", ["aligner=procrustes", "compare=[]"])
    names = set(graph_of(recipe, tmp_path).steps)
    assert {"fit-ridge-cca", "fit-kernel-ridge", "fit-contrastive"} <= names
    assert not any(name.startswith(("spectral", "cca", "mmd")) for name in names)


def test_every_registered_aligner_can_be_named(tmp_path: Path) -> None:
    assert set(get_args(AlignerName)) == set(METHODS)
    for name in METHODS:
        methods = graph_of(load_recipe("emoji", [f"aligner={name}", "compare=[]"]), tmp_path)
        assert {"evaluate", "export"} <= set(methods.steps)


def test_auto_is_the_default_and_every_candidate_is_a_branch(tmp_path: Path) -> None:
    graph = graph_of(load_recipe("emoji"), tmp_path)
    branches = {f"auto-{name}" for name in CANDIDATES}
    assert {*branches, "auto-rows", "auto-views", "fit-auto"} <= set(graph.steps)
    for name, entry in CANDIDATES.items():
        needed = {"auto-rows", "pairs"} | ({"auto-views"} if entry.spectral else set())
        assert graph.inputs_of(f"auto-{name}") == needed


def test_another_version_of_a_candidate_makes_only_its_branch_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = graph_of(load_recipe("emoji"), tmp_path).keys
    monkeypatch.setitem(CANDIDATES, "fused-csa", replace(CANDIDATES["fused-csa"], version="next"))
    after = graph_of(load_recipe("emoji"), tmp_path).keys
    differ = {name for name in before if before[name] != after[name]}
    assert differ == {"auto-fused-csa", "fit-auto", "confidence", "evaluate", "report", "export"}


def test_limits_reach_only_candidates_that_may_be_given_up(tmp_path: Path) -> None:
    branches = changed(tmp_path, "auto.stop_early=false")
    assert {n for n in branches if n.startswith("auto-")} == {
        f"auto-{n}" for n, entry in CANDIDATES.items() if entry.costly
    }
    spared = {f"auto-{n}" for n in (*LINEAR, "kernel-ridge")}
    assert not spared & changed(tmp_path, "auto.budget_s=60")
    assert "auto-views" not in graph_of(load_recipe("emoji", ["auto.candidates=[csa]"]), tmp_path).steps


@pytest.mark.parametrize(("names", "told"), [("[warp, csa]", "'warp'"), ("[kernel-ridge]", "no simple linear map")])
def test_impossible_candidates_are_refused_when_planning(names: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        graph_of(load_recipe("emoji", [f"auto.candidates={names}"]), tmp_path)


def test_how_it_runs_changes_no_key(tmp_path: Path) -> None:
    assert changed(tmp_path, "scaling.workers=2", "scaling.encode_batch=8", "scaling.cpus_per_worker=0.5") == set()
    elastic = ("scaling.workers=4", "scaling.min_workers=1", "scaling.max_preemptions=5", "scaling.max_failures=1")
    assert changed(tmp_path, *elastic, "scaling.gpus_per_worker=1", "scaling.gpus_per_encoder=0.25") == set()


def test_encoders_may_share_a_gpu_that_workers_have_alone(tmp_path: Path) -> None:
    alone = graph_of(load_recipe("emoji", ["scaling.gpus_per_worker=1"]), tmp_path)
    shared = graph_of(load_recipe("emoji", ["scaling.gpus_per_worker=1", "scaling.gpus_per_encoder=0.25"]), tmp_path)
    assert alone.steps["encode-left"].options["gpus_per_actor"] == 1
    assert shared.steps["encode-left"].options["gpus_per_actor"] == 0.25
    assert shared.steps["mmd-net"].options["gpus_per_worker"] == 1


def test_a_change_reaches_only_what_is_behind_it(tmp_path: Path) -> None:
    assert changed(tmp_path, "mmd.epochs=7") == {"mmd-net", "evaluate", "report", "export"}
    assert changed(tmp_path, "cca.dim=6") == {"cca", "mmd-net", "evaluate", "report", "export"}
    spectral = changed(tmp_path, "spectral.spectralnet.epochs=3")
    assert {"spectral-left", "spectral-right", "cca"} <= spectral
    assert not spectral & {"spectral-left-eigen", "encode-left", "pairs", "fit-procrustes", "gauge"}


def test_a_moved_file_is_the_same_file_and_another_content_is_not(tmp_path: Path) -> None:
    here, there, other = (write_world(tmp_path / n, seed=s) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    keys = [graph_of(load_recipe(str(w.recipe)), tmp_path).keys for w in (here, there, other)]
    assert keys[0] == keys[1]
    assert keys[0]["shard-left"] != keys[2]["shard-left"]


def test_a_missing_input_is_named_before_anything_runs(tmp_path: Path) -> None:
    world = write_world(tmp_path / "w")
    (world.folder / "texts.parquet").unlink()
    with pytest.raises(UserError, match=r"texts\.parquet"):
        graph_of(load_recipe(str(world.recipe)), tmp_path)


def test_an_unknown_encoder_is_refused_when_planning(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown encoder 'clip9'"):
        graph_of(load_recipe("emoji", ["left.encoder=clip9"]), tmp_path)


def test_a_recipe_without_pairs_is_refused_by_what_needs_them(tmp_path: Path) -> None:
    world = write_world(tmp_path / "w")
    with pytest.raises(UserError, match=r"pairs: the recipe has no pairs; .*isthmus suggest"):
        graph_of(load_recipe(str(world.recipe), ["pairs=null"]), tmp_path)


def test_without_pairs_only_aligners_that_need_none_are_planned(tmp_path: Path) -> None:
    free = load_recipe("emoji", ["aligner=wasserstein-procrustes", "compare=[]", "pairs_budget=0"])
    names = set(graph_of(free, tmp_path).steps)
    assert {n for n in names if n.startswith("fit-")} == {"fit-wasserstein-procrustes"}
    for overrides in (["aligner=csa", "compare=[]"], ["aligner=wasserstein-procrustes", "compare=[csa]"]):
        with pytest.raises(UserError, match="csa needs known pairs to fit on; raise pairs_budget, or choose wass"):
            graph_of(load_recipe("emoji", [*overrides, "pairs_budget=0"]), tmp_path)


def test_confidence_hangs_on_the_exported_method_alone(tmp_path: Path) -> None:
    assert "confidence" not in changed(tmp_path, "mmd.epochs=7")
    graph = graph_of(load_recipe("emoji", ["aligner=sue"]), tmp_path)
    assert {"mmd-net", "spectral-left", "spectral-right"} <= graph.inputs_of("confidence")


def test_a_pair_budget_changes_neither_encoding_nor_spectral_steps(tmp_path: Path) -> None:
    reached = changed(tmp_path, "pairs_budget=50")
    assert {"pairs", "cca", "fit-procrustes"} <= reached
    kept = {f"{node}-{side}" for node in ("shard", "encode", "spectral") for side in ("left", "right")}
    assert not reached & {*kept, "spectral-left-eigen", "spectral-right-eigen", "unpaired"}
