"""Whole runs of small worlds, in this process: results, resumption, invariances, and what bad input says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner
from worlds import World, write_embeddings, write_pairs, write_world

from cluster.workflow.store import Store
from components.embeddings import Embeddings
from components.evaluation.retrieval import rank_partners
from components.files import Folder
from components.model import SharedSpace
from pipelines.cli import app
from pipelines.home import Home
from pipelines.recipe import load_recipe
from pipelines.runner import RunOptions, run_recipe

MakeHome = Callable[[Path], Path]
FAST = ["compare=[]", "splits.draws=5"]


def run(world: World, home: Path, *overrides: str, force: frozenset[str] = frozenset()) -> tuple[int, str]:
    """Exit code and what was printed."""
    console = Console(record=True, width=160, file=open("/dev/null", "w"))
    options = RunOptions(use_ray=False, metrics_out=home / "metrics.json", force=force)
    code = run_recipe(load_recipe(str(world.recipe), [*FAST, *overrides]), Home.open(home), options, console)
    return code, console.export_text()


def states(home: Path, back: int = 0) -> dict[str, str]:
    store = Store(Home.open(home).store)
    record = store.read_run(store.run_ids()[-1 - back])
    return {name: step["state"] for name, step in record["steps"].items()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[World, Path, dict[str, Any]]:
    """One finished run and its metrics."""
    root = tmp_path_factory.mktemp("done")
    world = write_world(root / "world")
    code, text = run(world, make_home(root / "home"), "compare=[eigen-cca]")
    assert code == 0, text
    return world, root / "home", json.loads((root / "home" / "metrics.json").read_text())


def test_every_method_beats_chance_and_every_control_falls_to_it(done: tuple[World, Path, dict[str, Any]]) -> None:
    _, _, metrics = done
    chance = metrics["retrieval"]["chance"]["mean"]["R@10"]
    assert chance == pytest.approx(100 * 10 / 60, abs=0.1)
    for method in ("ridge-cca", "procrustes", "kernel-ridge", "contrastive", "eigen-cca"):
        for direction in ("left_to_right", "right_to_left"):
            low, high = metrics["retrieval"][method][direction]["ci95"]["R@10"]
            assert low > 2 * chance
            assert low <= metrics["retrieval"][method][direction]["R@10"] <= high
    for control in ("shuffled-pairs", "random-features"):
        for score in metrics["controls"][control].values():
            low, high = score["mean"]["ci95"]["R@10"]
            assert low < chance + 5 and high < 3 * chance


def test_the_metrics_file_holds_gauge_units_and_counts(done: tuple[World, Path, dict[str, Any]]) -> None:
    _, _, metrics = done
    assert metrics["alignability"]["cka"] > 0.5
    assert metrics["alignability"]["null"]["cka"]["p"] < 0.01
    assert metrics["pairs"] | {"pairs": 60, "heldout": 60, "draws": 5} == metrics["pairs"]
    assert metrics["units"]["R@k"].startswith("percent")


def test_auto_tells_what_it_tried_and_chose_everywhere(
    done: tuple[World, Path, dict[str, Any]], tmp_path: Path, make_home: MakeHome
) -> None:
    world, _, _ = done
    home = make_home(tmp_path / "home")
    candidates = "auto.candidates=[procrustes, kernel-ridge, fused-csa]"
    code, text = run(world, home, "aligner=auto", candidates, "splits.draws=2")
    assert code == 0, text
    metrics = json.loads((home / "metrics.json").read_text())
    told = metrics["auto"]
    assert {"procrustes", "kernel-ridge", "fused-csa", "stack+bank"} <= {row["name"] for row in told["rows"]}
    assert told["chosen"] in told["reason"] and metrics["retrieval"]["auto"]["mean"]["R@10"] > 80
    assert all(score["mean"]["R@10"] < 45 for control in metrics["controls"].values() for score in control.values())
    assert "ahead of linear" in text and "in log rank" in text and "Fused CSA" in text
    assert 'id="choice"' in (Home.open(home).results("recipe") / "report.html").read_text()
    facts = _folder(home, "fit-auto").read_json("MANIFEST.json")["facts"]
    assert facts["cv_R@10"]["kernel-ridge"] == next(r["R@10"] for r in told["rows"] if r["name"] == "kernel-ridge")
    space = SharedSpace.load(Folder.at(Home.open(home).results("recipe") / "model"))
    assert space.search(world.left["L700"].tolist(), side="left", k=10)


def test_report_and_model_lie_under_fixed_names(done: tuple[World, Path, dict[str, Any]]) -> None:
    world, home, _ = done
    results = Home.open(home).results("recipe")
    assert "<html" in (results / "report.html").read_text()
    space = SharedSpace.load(Folder.at(results / "model"))
    ids = [f"L{i}" for i in range(690, 750)]  # held-out items: nothing was fitted on them
    hits = [f"R{i[1:]}" in [m.id for m in space.search(world.left[i].tolist(), side="left", k=10)] for i in ids]
    assert np.mean(hits) > 0.5  # of all 450 right rows, chance is 10/450


def test_the_same_command_again_runs_nothing(done: tuple[World, Path, dict[str, Any]]) -> None:
    world, home, before = done
    code, _ = run(world, home, "compare=[eigen-cca]")
    assert code == 0
    assert set(states(home).values()) == {"HIT"}
    assert json.loads((home / "metrics.json").read_text()) == before


def test_forcing_a_step_makes_it_and_what_follows_again(done: tuple[World, Path, dict[str, Any]]) -> None:
    world, home, before = done
    run(world, home, "compare=[eigen-cca]", force=frozenset({"fit-procrustes"}))
    ran = {name for name, state in states(home).items() if state == "RAN"}
    assert ran == {"fit-procrustes", "evaluate", "report", "export"}
    assert json.loads((home / "metrics.json").read_text()) == before


def test_order_of_rows_and_repetition_change_nothing(
    done: tuple[World, Path, dict[str, Any]], tmp_path: Path, make_home: MakeHome
) -> None:
    _, home, before = done
    shuffled = write_world(tmp_path / "world", shuffle=7)
    code, _ = run(shuffled, make_home(tmp_path / "home"), "compare=[eigen-cca]")
    assert code == 0
    after = json.loads((tmp_path / "home" / "metrics.json").read_text())
    data_nodes = ("shard-left", "shard-right", "encode-left", "encode-right", "pairs")
    digests = [_digests(h, data_nodes) for h in (home, tmp_path / "home")]
    assert digests[0] == digests[1]
    for method, score in before["retrieval"].items():
        for name in ("R@1", "R@5", "R@10", "foscttm"):
            assert after["retrieval"][method]["mean"][name] == pytest.approx(score["mean"][name], abs=1e-6)


def test_number_of_shards_changes_no_metric(
    done: tuple[World, Path, dict[str, Any]], tmp_path: Path, make_home: MakeHome
) -> None:
    world, _, before = done
    code, text = run(world, make_home(tmp_path / "home"), "compare=[eigen-cca]", "scaling.shards=8")
    assert code == 0, text
    folder = _folder(tmp_path / "home", "shard-left")
    assert len(folder.parquet_names("shards")) == 8
    after = json.loads((tmp_path / "home" / "metrics.json").read_text())
    assert after["retrieval"] == before["retrieval"]


def _folder(home: Path, step: str) -> Folder:
    store = Store(Home.open(home).store)
    record = store.read_run(store.run_ids()[-1])
    folder = store.folder_of(f"{step}-{record['steps'][step]['key'][:16]}")
    assert folder is not None
    return folder


def _digests(home: Path, steps: tuple[str, ...]) -> dict[str, str]:
    store = Store(Home.open(home).store)
    record = store.read_run(store.run_ids()[-1])
    return {name: [f.sha256 for f in _files(store, name, record)] for name in steps}


def _files(store: Store, name: str, record: dict[str, Any]) -> Any:
    manifest = store.read(f"{name}-{record['steps'][name]['key'][:16]}")
    assert manifest
    return manifest.files


# bad input


def _duplicate(world: World) -> None:
    ids = [*world.left, "L0"]
    rows = {**world.left}
    flat = [rows[i] if n < len(rows) else rows["L0"] + 1 for n, i in enumerate(ids)]
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(flat)), 24)
    pq.write_table(pa.table({"id": ids, "embedding": column}), world.folder / "images.parquet")


def _set_rows(world: World, value: float, count: int) -> None:
    rows = {i: (v * 0 + value if n < count else v) for n, (i, v) in enumerate(world.left.items())}
    write_embeddings(world.folder / "images.parquet", rows)


def _add_pair(world: World, name: str, pair: tuple[str, str]) -> None:
    with (world.folder / name).open(newline="") as file:
        pairs = [tuple(row) for row in list(csv.reader(file))[1:]]
    write_pairs(world.folder / name, [*pairs, pair])


def _rename_column(world: World) -> None:
    path = world.folder / "pairs.csv"
    path.write_text(path.read_text().replace("right_id", "text_id"))


BAD: dict[str, tuple[Callable[[World], object], list[str]]] = {
    "NaN in too many rows": (lambda w: _set_rows(w, np.nan, 100), ["NaN", "max_bad_fraction", "images.parquet"]),
    "zero rows": (lambda w: _set_rows(w, 0.0, 100), ["zero", "max_bad_fraction"]),
    "all rows equal": (lambda w: _set_rows(w, 0.5, len(w.left)), ["same embedding", "images.parquet"]),
    "unknown id in pairs": (lambda w: _add_pair(w, "pairs.csv", ("L9999", "R0")), ["L9999", "pairs.csv"]),
    "leakage": (lambda w: _add_pair(w, "pairs.csv", ("L700", "R700")), ["L700", "heldout"]),
    "one id in two pairs": (lambda w: _add_pair(w, "pairs.csv", ("L600", "R400")), ["L600", "pairs.csv"]),
    "missing column": (_rename_column, ["right_id", "pairs.csv"]),
    "empty corpus": (lambda w: write_embeddings(w.folder / "images.parquet", {"L0": np.ones(24, np.float32)}), ["L"]),
    "truncated Parquet": (
        lambda w: (w.folder / "images.parquet").write_bytes((w.folder / "images.parquet").read_bytes()[:2000]),
        ["images.parquet"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_a_failing_exit_code(name: str, tmp_path: Path, make_home: MakeHome) -> None:
    damage, told = BAD[name]
    world = write_world(tmp_path / "world")
    damage(world)
    result = CliRunner().invoke(
        app, ["run", str(world.recipe), "--no-ray", "--home", str(make_home(tmp_path / "home"))]
    )
    text = " ".join(result.output.split()) + str(result.exception or "")
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    for part in told:
        assert part in text, text


def test_a_few_bad_rows_are_quarantined_and_the_run_goes_on(tmp_path: Path, make_home: MakeHome) -> None:
    world = write_world(tmp_path / "world")
    _set_rows(world, np.nan, 5)
    code, text = run(world, make_home(tmp_path / "home"))
    assert code == 0, text
    folder = _folder(tmp_path / "home", "shard-left")
    bad = folder.read_table("quarantine/quarantine.parquet")
    assert sorted(bad["row"].to_pylist()) == [f"L{i}" for i in range(5)]
    kept = Embeddings.read(folder, "shards")
    assert len(kept) == len(world.left) - 5
    assert "5" in text and "NaN" in text
    shown = CliRunner().invoke(app, ["show", "shard-left", "--home", str(tmp_path / "home")], env={"COLUMNS": "200"})
    assert " images.parquet  L3   embedding has NaN values " in shown.output


def test_fewer_pairs_than_cca_dimensions_is_said(tmp_path: Path, make_home: MakeHome) -> None:
    world = write_world(tmp_path / "world")
    code, text = run(world, make_home(tmp_path / "home"), "pairs_budget=6", "eigen_cca.dim=8", "aligner=eigen-cca")
    assert code != 0
    assert "6" in text and "8" in text and "cca" in text


def test_a_budget_above_the_known_pairs_is_refused_with_the_numbers(tmp_path: Path, make_home: MakeHome) -> None:
    world = write_world(tmp_path / "world")
    code, text = run(world, make_home(tmp_path / "home"), "pairs_budget=500")
    assert code != 0
    assert "90" in text and "500" in text


@pytest.mark.parametrize("pairs", ["pairs_budget=0", "pairs=null"])
def test_without_any_known_pair_a_rotation_is_found_and_judged(tmp_path: Path, make_home: MakeHome, pairs: str) -> None:
    world = write_world(tmp_path / "world")
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(24, 24)))[0]
    turned = {i.replace("L", "R"): x @ turn for i, x in world.left.items() if i not in ("L0", "L1")}
    write_embeddings(world.folder / "texts.parquet", {i: x.astype(np.float32) for i, x in turned.items()})
    code, text = run(world, make_home(tmp_path / "home"), "aligner=wasserstein-procrustes", "pairs_budget=null", pairs)
    assert code == 0, text
    metrics = json.loads((tmp_path / "home" / "metrics.json").read_text())
    assert set(metrics["retrieval"]) == {"wasserstein-procrustes", "chance"} and metrics["alignability"] is None
    assert metrics["pairs"]["pairs"] == 0
    assert metrics["retrieval"]["wasserstein-procrustes"]["mean"]["foscttm"] < 0.1


def test_every_method_has_a_corrected_version_and_that_is_what_is_exported(tmp_path: Path, make_home: MakeHome) -> None:
    world = write_world(tmp_path / "world")
    wanted = ["hubness=csls", "compare=[eigen-cca,sue]", "mmd.epochs=2", "settings={contrastive: {max_steps: 20}}"]
    code, text = run(world, make_home(tmp_path / "home"), *wanted)
    assert code == 0, text
    metrics = json.loads((tmp_path / "home" / "metrics.json").read_text())
    methods = {m for m in metrics["retrieval"] if not m.endswith("+bank")} - {"chance"}
    assert {f"{m}+bank" for m in methods} | methods | {"chance"} == set(metrics["retrieval"])
    chance = metrics["retrieval"]["chance"]["mean"]["R@10"]
    for method in methods:
        plain, corrected = (metrics["retrieval"][m]["mean"] for m in (method, f"{method}+bank"))
        assert corrected["R@10"] > 1.5 * chance
        assert corrected != plain
    space = SharedSpace.load(Folder.at(Home.open(tmp_path / "home").results("recipe") / "model"))
    assert space.about["aligner"] == "ridge-cca+bank"
    held = [f"L{i}" for i in range(690, 750)]
    left = space.sides["left"].transform(np.stack([world.left[i] for i in held]))
    right = space.sides["right"].transform(np.stack([world.right["R" + i[1:]] for i in held]))
    ranks = _folder(tmp_path / "home", "fit-ridge-cca").sub("bank").read_table("ranks.parquet").to_pylist()
    primary = {r["query"]: r["rank"] for r in ranks if r["draw"] == 0 and r["direction"] == "left_to_right"}
    np.testing.assert_array_equal(rank_partners(left, right).rank, [primary[i] for i in held])
    assert _folder(tmp_path / "home", "fit-contrastive").read_json("diagnostics.json")[0]["steps"] <= 20
