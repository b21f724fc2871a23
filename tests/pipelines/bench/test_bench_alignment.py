"""The alignment bench on a small recipe, without Ray: records, resumption, failures, controls, and what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from worlds import write_world

from pipelines.bench.alignment import steps
from pipelines.bench.alignment.command import run_bench_alignment
from pipelines.bench.alignment.fitter import run_apart
from pipelines.bench.alignment.fitting import FitJob
from pipelines.bench.alignment.options import make_options
from pipelines.home import Home

METHODS = ("procrustes", "ridge-cca", "chance")


@dataclass
class Bench:
    home: Path
    recipe: str

    def run(self, **more: Any) -> tuple[dict[str, Any], str]:
        """The report, and what was printed."""
        console = Console(record=True, width=120, file=(self.home / "printed.txt").open("w"))
        asked: dict[str, Any] = {
            "methods": METHODS,
            "budgets": (0, 20, 40, 5000),
            "seeds": 3,
            "rows": (60,),
            "track": False,
        }
        target = self.home / "report.json"
        asked |= {"corpora": (self.recipe, "emoji-noto"), "folder": self.home / "nowhere"}
        options = make_options(use_ray=False, metrics_out=target, **asked | more)
        assert run_bench_alignment(options, Home.open(self.home), console) == 0
        return json.loads(target.read_text()), console.export_text()

    @property
    def results(self) -> Path:
        return self.home / "results" / "bench-alignment"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, dict[str, Any], str]:
    root = tmp_path_factory.mktemp("bench")
    world = write_world(root / "world", unpaired=200)
    bench = Bench(root / "home", str(world.recipe))
    bench.home.mkdir()
    return bench, *bench.run(splits=("random", "group"))


Done = tuple[Bench, dict[str, Any], str]


def find(report: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    """The one record with these values."""
    wanted = {"control": "none", "split": "random", "rows": None, **wanted}
    found = [r for r in report["records"] if all(r[k] == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def test_records_are_complete(done: Done) -> None:
    _, report, _ = done
    for method in ("procrustes", "ridge-cca"):
        record = find(report, method=method, budget=40)
        assert record["seeds"] == 3 and record["gallery"] == 37 and 200 < record["unpaired_rows"] < 260
        low, high = record["ci95"]["R@10"]
        assert low <= record["mean"]["R@10"] <= high and record["mean"]["R@10"] > 60
        assert record["mean"]["R@1"] <= record["mean"]["R@5"] <= record["mean"]["R@10"]
        assert 0 < record["cpu_seconds"] < 20 and 50 < record["growth_mib"] + record["peak_mib"] < 2000
        both = [record["directions"][d]["R@10"] for d in ("left_to_right", "right_to_left")]
        assert sum(both) / 2 == pytest.approx(record["mean"]["R@10"])
    assert find(report, method="procrustes", budget=40, rows=60)["unpaired_rows"] == 60


def test_what_cannot_be_measured_has_a_reason(done: Done) -> None:
    _, report, printed = done
    assert find(report, method="procrustes", budget=0)["reason"] == "needs pairs"
    refused = find(report, method="procrustes", budget=5000)
    assert refused["status"] == "refused" and "5000 pairs are more than the 113" in refused["reason"]
    assert "5000 pairs are more than" in printed
    assert "no groups" in find(report, method="procrustes", budget=40, split="group")["reason"]
    assert "img_noto_lite0.npy is not there" in report["absent"]["emoji-noto"]


def test_controls_fall_to_chance(done: Done) -> None:
    _, report, _ = done
    chance = find(report, method="chance", budget=40)["mean"]["R@10"]
    assert chance == pytest.approx(1000 / 37)
    for method in ("procrustes", "ridge-cca"):
        control = find(report, method=method, budget=40, control="shuffled-pairs")
        assert control["mean"]["R@10"] < chance + 15 < find(report, method=method, budget=40)["mean"]["R@10"] - 15


def test_tables_and_figures_are_written(done: Done) -> None:
    bench, report, _ = done
    page = (bench.results / "table.md").read_text()
    assert (
        "| method | recipe 0 | recipe 20 | recipe 40 |" in page
        and "**" in page
        and "| chance |" in page
        and "needs pairs" in page
    )
    cells = pq.read_table(bench.results / "cells.parquet").to_pylist()
    good = [c for c in cells if c["method"] == "ridge-cca" and c["budget"] == 40 and c["control"] == "none"]
    values = [c["R@10"] for c in good if c["split"] == "random" and c["rows"] is None]
    assert sum(values) / 3 == pytest.approx(find(report, method="ridge-cca", budget=40)["mean"]["R@10"])
    assert pq.read_table(bench.results / "records.parquet").num_rows == len(report["records"])
    for name in ("recall-by-pairs", "recall-by-rows", "cost-by-recall"):
        assert (bench.results / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "ridge-cca" in (bench.results / f"{name}.csv").read_text()


def test_a_second_run_fits_nothing_and_says_the_same(done: Done) -> None:
    bench, report, _ = done
    again, printed = bench.run(splits=("random", "group"))
    assert " 0 fitted now" in printed
    assert again["records"] == report["records"]


def test_force_fits_one_method_again(done: Done) -> None:
    bench, _, _ = done
    _, printed = bench.run(budgets=(40,), rows=(), force=("procrustes",))
    assert " 6 fitted now" in printed  # three seeds, with the right pairs and with wrong ones


def test_a_failed_cell_is_recorded_and_tried_again(done: Done, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bench, _, _ = done

    def broken(job: FitJob) -> dict[str, Any]:
        if job.method == "asif":
            return {"status": "failed", "reason": "LinAlgError: singular", "traceback": "…"}
        return run_apart(job)

    asked: dict[str, Any] = {"methods": ("asif", "procrustes"), "budgets": (40,), "rows": ()}
    with monkeypatch.context() as patch:
        patch.setattr(steps, "run_apart", broken)
        report, printed = bench.run(**asked)
    failed = find(report, method="asif")
    assert failed["status"] == "failed" and "LinAlgError: singular (3 of 3 seeds)" in failed["reason"]
    assert "LinAlgError" in printed and find(report, method="procrustes")["status"] == "ok"
    report, _ = bench.run(**asked)
    assert find(report, method="asif")["status"] == "ok"


def test_chosen_pairs_and_a_run_in_mlflow(done: Done, make_home: Callable[[Path], Path], tmp_path: Path) -> None:
    bench, _, _ = done
    own = Bench(make_home(tmp_path / "home"), bench.recipe)
    asked: dict[str, Any] = {"methods": ("procrustes",), "budgets": (20, 40), "seeds": 1, "rows": ()}
    report, _ = own.run(**asked, selections=("random", "coverage", "sequential"), track=True)
    for selection in ("random", "coverage", "sequential"):
        record = find(report, method="procrustes", budget=40, selection=selection)
        assert record["status"] == "ok" and record["ci95"]["R@10"] is None
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{own.home}/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    coverage = next(r for r in runs if r.info.run_name.endswith("disjoint-random-coverage"))
    points = client.get_metric_history(coverage.info.run_id, "procrustes.R_10")
    assert [p.step for p in points] == [20, 40]


def test_no_pairs_at_all(done: Done) -> None:
    bench, _, _ = done
    report, _ = bench.run(methods=("wasserstein-procrustes", "procrustes"), budgets=(0,), seeds=1, rows=())
    free = find(report, method="wasserstein-procrustes", budget=0)
    assert free["status"] == "ok" and free["ci95"]["R@10"] is None
    assert find(report, method="procrustes", budget=0)["reason"] == "needs pairs"


def test_a_fit_that_dies_is_a_result(tmp_path: Path) -> None:
    found = run_apart(FitJob(world=str(tmp_path), order=str(tmp_path), method="procrustes", budget=3))
    assert found["status"] == "failed" and "FileNotFoundError" in found["reason"]
