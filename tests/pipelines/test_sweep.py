"""Sweeps of a small world in this process: what is chosen and by what, what is shared, kept, named and refused."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from encoder_worlds import write_texts
from rich.console import Console
from tracking_helpers import client, runs
from worlds import World, write_pairs, write_world

from cluster.workflow.gc import gc
from cluster.workflow.store import Store
from components.errors import UserError
from pipelines.home import Home
from pipelines.search_space import base_recipe, load_search
from pipelines.sweep import SweepOptions, sweep_and_print

MakeHome = Callable[[Path], Path]
SPACE = """
set: {compare: [], splits.draws: 2}
space:
  pairs_budget: {choice: [20, 60]}
  preprocess.pca_dim: {choice: [2, null]}
  settings.ridge-cca.dim: {choice: [2, 6], when: {pairs_budget: 60}}
"""


def sweep(world: World, home: Path, space: str = SPACE, *, full: bool = False, **options: Any) -> tuple[int, str]:
    """Exit code and what was printed."""
    console = Console(record=True, width=160, file=open(os.devnull, "w"))
    path = home / "space.yaml"
    path.write_text(space)
    search = load_search(str(path), **options)
    base = base_recipe(str(world.recipe), search, [])
    code = sweep_and_print(base, search, Home.open(home), SweepOptions(use_ray=False, full=full), console)
    return code, console.export_text()


def numbers(home: Path) -> dict[str, Any]:
    return json.loads((Home.open(home).results("recipe") / "sweep" / "sweep.json").read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[World, Path, str]:
    root = tmp_path_factory.mktemp("sweep")
    world = write_world(root / "world")
    home = make_home(root / "home")
    code, text = sweep(world, home, full=True)
    assert code == 0, text
    return world, home, text


def test_every_point_is_a_trial_and_shared_steps_are_made_once(done: tuple[World, Path, str]) -> None:
    _, home, text = done
    found = numbers(home)
    assert found["states"] == {"done": 6, "failed": 0, "stopped": 0}
    made = [name.rpartition("-")[0] for name in Store(Home.open(home).store).outputs()]
    assert made.count("encode-left") == made.count("shard-right") == 1
    assert made.count("pairs") == 2 and made.count("trial-scores") == 6
    assert text.count("encode-left for trial") == 1


def test_the_best_is_best_on_the_known_pairs_and_run_in_full(done: tuple[World, Path, str]) -> None:
    _, home, text = done
    found = numbers(home)
    values = {row["trial"]: row["known.R@10.mean"] for row in found["trials"]}
    assert values[found["best"]["trial"]] == max(values.values()) > 40
    assert found["best"]["params"]["preprocess.pca_dim"] == "none" and found["best"]["params"]["pairs_budget"] == 60
    assert all(row["heldout.R@10.low"] <= row["heldout.R@10.mean"] for row in found["trials"])
    results = Home.open(home).results("recipe")
    assert (results / "report.html").exists() and (results / "model").exists()
    assert "95 % interval" in text and "20 pairs:" in text and "60 pairs:" in text


def test_files_tell_all_trials(done: tuple[World, Path, str]) -> None:
    _, home, _ = done
    folder = Home.open(home).results("recipe") / "sweep"
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    table = pq.read_table(folder / "trials.parquet")
    assert len(rows) == table.num_rows == 6
    assert {f.stem for f in (folder / "figures").glob("*.png")} == {"recall-by-budget", "response", "cost"}
    page = (folder / "sweep.html").read_text()
    assert "What the search found" in page and 'id="cost"' in page


def test_mlflow_has_sweep_trials_steps_and_links(done: tuple[World, Path, str]) -> None:
    _, home, _ = done
    all_runs = runs(home)
    parent = next(r for r in all_runs if r.data.tags["isthmus.kind"] == "sweep")
    below = [r for r in all_runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    trials = sorted((r for r in below if r.data.tags["isthmus.kind"] == "trial"), key=lambda r: r.info.run_name)
    assert [r.info.run_name for r in trials] == [f"trial-{n:03d}" for n in range(6)]
    assert trials[0].data.params == {"pairs_budget": "20", "preprocess.pca_dim": "2"}
    assert trials[5].data.metrics["known.R_10"] == numbers(home)["trials"][5]["known.R@10.mean"]
    steps = [r for r in all_runs if r.data.tags.get("mlflow.parentRunId") == trials[0].info.run_id]
    assert {"encode-left", "trial-scores"} < {r.data.tags["step.name"] for r in steps}
    origin = next(r for r in steps if r.data.tags["step.name"] == "encode-left")
    assert trials[1].data.tags["step.encode-left"] == origin.data.tags["isthmus.uid"]
    marked = [r for r in trials if r.data.tags.get("sweep.best")]
    assert [int(r.data.tags["trial"]) for r in marked] == [numbers(home)["best"]["trial"]]
    assert {r.info.status for r in all_runs} == {"FINISHED"}
    artifacts = {a.path for a in client(home).list_artifacts(parent.info.run_id)}
    assert {"sweep.html", "figures", "trials.csv", "recipe.yaml"} <= artifacts
    (whole,) = [r for r in below if r.data.tags["isthmus.kind"] == "pipeline"]
    version = client(home).get_model_version_by_alias("recipe", "candidate")
    made = client(home).get_run(version.run_id).data.tags
    assert made["mlflow.parentRunId"] == whole.info.run_id and made["step.name"] == "export"


def test_the_same_command_again_runs_no_trial(done: tuple[World, Path, str]) -> None:
    world, home, _ = done
    before = numbers(home)
    code, text = sweep(world, home)
    after = numbers(home)
    assert code == 0 and "for trial" not in text and after["reused"] == 6
    assert [t["known.R@10.mean"] for t in after["trials"]] == [t["known.R@10.mean"] for t in before["trials"]]
    assert [t["cost_s"] for t in after["trials"]] == [t["cost_s"] for t in before["trials"]]


def test_one_record_keeps_the_outputs_of_all_trials(done: tuple[World, Path, str]) -> None:
    _, home, _ = done
    store = Store(Home.open(home).store)
    kept = gc(store, keep_runs=3, dry_run=True, min_age_s=-1.0)
    assert not [name for name in kept.outputs if name.startswith("trial-scores")]


def test_held_out_pairs_decide_nothing(done: tuple[World, Path, str], tmp_path: Path, make_home: MakeHome) -> None:
    """Other partners for the held-out pairs: their recall falls to chance, every other number stays."""
    _, home, _ = done
    wrong = write_world(tmp_path / "world")
    held = range(690, 750)
    write_pairs(wrong.folder / "heldout.csv", [(f"L{i}", f"R{690 + (i - 690 + 7) % 60}") for i in held])
    other = make_home(tmp_path / "home")
    code, _ = sweep(wrong, other)
    assert code == 0
    before, after = numbers(home), numbers(other)
    for name in ("known.R@10.mean", "known.R@10.low", "known.log_rank.mean"):
        assert [t[name] for t in after["trials"]] == [t[name] for t in before["trials"]]
    assert after["best"]["trial"] == before["best"]["trial"]
    assert (
        all(t["heldout.R@10.mean"] < 35 for t in after["trials"])
        and before["best"]["scores"]["heldout"]["R@10"]["mean"] > 45
    )


def test_a_failed_trial_is_named_and_the_others_go_on(tmp_path: Path, make_home: MakeHome) -> None:
    world, home = write_world(tmp_path / "world"), make_home(tmp_path / "home")
    code, text = sweep(world, home, "space: {pairs_budget: {choice: [5, 60]}}\nset: {compare: []}")
    assert code == 1
    assert "trial 0 failed: trial-scores: pairs_budget: 5 known pairs are too few to choose by" in text
    assert "trial 0 (1/2): failed trial-scores: pairs_budget: 5 known pairs" in text
    assert numbers(home)["states"] == {"done": 1, "failed": 1, "stopped": 0}
    page = (Home.open(home).results("recipe") / "sweep" / "sweep.html").read_text()
    assert "<td>failed</td>" in page and "Trial 0 failed: trial-scores: pairs_budget: 5 known pairs" in page
    trial = next(r for r in runs(home) if r.info.run_name == "trial-000")
    assert trial.info.status == "FAILED" and "too few" in trial.data.tags["error"]


def test_optuna_goes_on_where_a_killed_sweep_stopped(tmp_path: Path, make_home: MakeHome) -> None:
    world, home = write_world(tmp_path / "world"), make_home(tmp_path / "home")
    space = "space: {preprocess.pca_dim: {randint: [2, 20]}}\nset: {compare: []}\nsampler: optuna\n"
    assert sweep(world, home, space, trials=3)[0] == 0
    first = [t["preprocess.pca_dim"] for t in numbers(home)["trials"]]
    ledger = next((home / "sweeps").glob("*.jsonl"))
    ledger.write_text(ledger.read_text() + '{"point": {"prepro')  # killed while it wrote
    assert sweep(world, home, space, trials=5)[0] == 0
    after = numbers(home)
    assert [t["preprocess.pca_dim"] for t in after["trials"]][: len(first)] == first
    assert after["reused"] == len(first) < len(after["trials"])


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("space: {spectral.dims: {choice: [8]}}", "space.spectral.dims: key 'spectral.dims': unknown key"),
        ("space: {pairs_budget: {choice: []}}", "space.pairs_budget: the choice is empty"),
        ("space: {teacher_plan.epsilon: {loguniform: [0.5, 0.1]}}", "space.teacher_plan.epsilon: the range from"),
        ("space: {pairs_budget: {choice: [50, many]}}", "space.pairs_budget: key 'pairs_budget'"),
        ("space: {settings.ridge-cca.dimm: {choice: [8]}}", "'dimm' is not a setting of ridge-cca"),
        ("space: {}", "the search space is empty"),
        ("spaces: {}", "key 'space': missing"),
        ("space: {seed: {choice: [1], uniform: [0, 1]}}", "space.seed: give exactly one kind"),
        ("space: {seed: {choice: [1]}}\nmetric: known.R@7", "no trial reports 'known.R@7'; they report known.R@1"),
        ("space: {seed: {choice: [1]}}\nmetric: heldout.R@10", "a search chooses by known pairs alone"),
        ("space: {pairs_budget: {choice: [4, 5]}}", "none of the 2 trials came to an end; the first: trial-scores"),
        ("space: {preprocess.pca_dim: {randint: [2, 9]}}", "preprocess.pca_dim: a randint range is no part of a grid"),
    ],
)
def test_bad_input_is_one_sentence(
    space: str, told: str, done: tuple[World, Path, str], tmp_path: Path, make_home: MakeHome
) -> None:
    world, _, _ = done
    with pytest.raises(UserError) as caught:
        sweep(world, make_home(tmp_path / "home"), space)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_encoders_are_chosen_by_validation_rows_and_probed_beside_it(tmp_path: Path, make_home: MakeHome) -> None:
    home, texts = make_home(tmp_path / "home"), write_texts(tmp_path / "world")
    recipe = {
        "pipeline": "encode-texts",
        "corpus": {"source": str(texts)},
        "model": {"vocabulary": 400, "max_tokens": 16, "width": 16, "layers": 1, "heads": 2},
        "head": {"hidden": 32, "dim": 16},
        "training": {"batch": 16, "each": 4, "epochs": 2, "learning_rate": 3.0e-3},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    world = World(tmp_path, tmp_path / "recipe.yaml", {}, {})
    space = """
space:
  objective.name: {choice: [gca-ince, info-nce]}
  objective.settings.epsilon: {choice: [0.1, 0.4], when: {objective.name: gca-ince}}
metric: known.best_validation_loss
mode: min
scheduler: asha
"""
    code, text = sweep(world, home, space)
    found = numbers(home)
    assert code == 0 and found["states"]["done"] == 3
    values = {t["trial"]: t["known.best_validation_loss.mean"] for t in found["trials"]}
    assert values[found["best"]["trial"]] == min(values.values())
    assert any(name.startswith("heldout.trained.") for name in found["trials"][0])
    made = [name.rpartition("-")[0] for name in Store(Home.open(home).store).outputs()]
    assert (made.count("prepare"), made.count("train"), made.count("report")) == (1, 3, 0)
    assert "without Ray every trial runs to its end" in text


def test_a_scheduler_that_has_no_epochs_to_compare_says_so(
    done: tuple[World, Path, str], tmp_path: Path, make_home: MakeHome
) -> None:
    world, home = done[0], make_home(tmp_path / "home")
    code, text = sweep(world, home, "space: {seed: {choice: [1]}}\nset: {compare: []}", scheduler="median")
    assert code == 0 and "median: no step of these trials is trained by epochs" in text
    with pytest.raises(UserError, match=r"watch.step: 'train' has no epochs"):
        sweep(world, home, "space: {seed: {choice: [1]}}\nscheduler: asha\nwatch: {step: train}")


def test_presets_suit_the_recipe_that_they_are_for() -> None:
    from pipelines.search_space import presets, space_of

    sizes = {}
    for name in presets():
        search = load_search(name)
        space = space_of(search, base_recipe("emoji", search, []))
        sizes[name] = search.trials or len(list(space.grid()))
    assert sizes == {"pairs-and-ot": 40, "quick": 6, "aligners": 30}
