"""The alignment bench on scikit-learn's digits, small and without Ray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.bench.alignment.command import run_bench_alignment
from pipelines.bench.alignment.options import make_options
from pipelines.home import Home


def bench(home: Path, **options: Any) -> tuple[dict[str, Any], str]:
    """The report, and what was printed."""
    console = Console(record=True, width=120, quiet=False, file=(home / "printed.txt").open("w"))
    target = home / "report.json"
    given = make_options(use_ray=False, metrics_out=target, **options)
    assert run_bench_alignment(given, Home.open(home), console) == 0
    return json.loads(target.read_text()), console.export_text()


SMALL: dict[str, Any] = {
    "corpora": ("digits",),
    "methods": ("procrustes", "ridge-cca", "wasserstein-procrustes", "chance"),
    "budgets": (0, 60, 5000),
    "seeds": 2,
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    home = tmp_path_factory.mktemp("bench")
    return home, *bench(home, **SMALL)


def find(report: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    """The one record with these values."""
    wanted = {"control": "none", **wanted}
    found = [r for r in report["records"] if all(r[k] == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def test_records_are_complete(first: tuple[Path, dict[str, Any], str]) -> None:
    _, report, _ = first
    for method in ("procrustes", "ridge-cca"):
        record = find(report, method=method, budget=60)
        assert record["seeds"] == 2 and record["gallery"] == 400 and record["unpaired_rows"] > 600
        low, high = record["ci95"]["R@10"]
        assert low <= record["mean"]["R@10"] <= high and record["mean"]["R@10"] > 15
        assert record["mean"]["R@1"] <= record["mean"]["R@5"] <= record["mean"]["R@10"]
        assert 0 < record["cpu_seconds"] < 20 and 50 < record["peak_mib"] < 2000
        both = [record["directions"][d]["R@10"] for d in ("left_to_right", "right_to_left")]
        assert sum(both) / 2 == pytest.approx(record["mean"]["R@10"])


def test_what_cannot_be_measured_has_a_reason(first: tuple[Path, dict[str, Any], str]) -> None:
    _, report, printed = first
    assert find(report, method="procrustes", budget=0)["reason"] == "needs pairs"
    assert find(report, method="wasserstein-procrustes", budget=0)["status"] == "ok"
    refused = find(report, method="procrustes", budget=5000)
    assert refused["status"] == "refused" and "5000 pairs are more than" in refused["reason"]
    assert "5000 pairs are more than" in printed


def test_controls_fall_to_chance(first: tuple[Path, dict[str, Any], str]) -> None:
    _, report, _ = first
    chance = find(report, method="chance", budget=60)["mean"]["R@10"]
    assert chance == pytest.approx(2.5)
    for method in ("procrustes", "ridge-cca"):
        control = find(report, method=method, budget=60, control="shuffled-pairs")
        assert control["mean"]["R@10"] < chance + 3


def test_a_second_run_fits_nothing(first: tuple[Path, dict[str, Any], str]) -> None:
    home, report, _ = first
    again, printed = bench(home, **SMALL)
    assert "0 fitted now" in printed
    assert again["records"] == report["records"]


def test_force_fits_one_method_again(first: tuple[Path, dict[str, Any], str]) -> None:
    home, _, _ = first
    _, printed = bench(home, **SMALL, force=("procrustes",))
    assert "6 fitted now" in printed  # two seeds of two budgets and of the control
