"""What other steps write is read without loss: the files here are made by the code that makes them in a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.evaluation.gauge import gauge as measure_gauge
from components.evaluation.retrieval import ranks_of
from components.evaluation.summary import tabulate
from components.reporting import intake
from components.reporting.data import Licence, ReportData, Side
from components.reporting.tables import retrieval_table


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    """``metrics.json`` of one method on two splits with a control, through JSON and back."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal((30, 6))
    ids = [(f"l{n}", f"r{n}") for n in range(30)]
    kinds = [(s, d, c) for s in ("random", "group") for d in range(2) for c in ("none", "shuffled-pairs")]
    noise = {"none": 0.7, "shuffled-pairs": 30.0}
    parts = [ranks_of(left, left + noise[c] * rng.standard_normal((30, 6)), ids, s, d, control=c) for s, d, c in kinds]
    tables = tabulate({"ridge-cca": pa.concat_tables(parts)}, "random")
    found = {**{name: getattr(tables, name) for name in ("retrieval", "splits", "controls")}, "primary_split": "random"}
    return {**json.loads(json.dumps(found)), "curves": tables.curves.to_pandas().to_csv(index=False)}


def test_scores_are_those_of_the_file(metrics: dict[str, Any]) -> None:
    found = intake.splits(metrics)
    assert list(found) == ["random", "group"]
    for split, by_method in found.items():
        for method, by_direction in metrics["splits"][split]["retrieval"].items():
            for direction, entry in by_direction.items():
                ours = by_method[method][direction]
                assert ours.values == {n: entry[n] for n in ("R@1", "R@5", "R@10", "median_rank", "foscttm")}
                assert (ours.gallery, ours.draws) == (30, entry["draws"])
    assert {n: list(ends) for n, ends in found["random"]["ridge-cca"]["mean"].ci95.items()} == metrics["retrieval"][
        "ridge-cca"
    ]["mean"]["ci95"]


def test_chance_is_exact_and_has_no_interval(metrics: dict[str, Any]) -> None:
    chance = intake.splits(metrics)["random"]["chance"]["mean"]
    assert chance.values["R@10"] == pytest.approx(100 / 3)
    assert chance.ci95 == {}


def test_controls_are_read(metrics: dict[str, Any]) -> None:
    found = intake.controls(metrics)
    entry = metrics["controls"]["shuffled-pairs"]["ridge-cca"]["left_to_right"]
    assert found["shuffled-pairs"]["ridge-cca"]["left_to_right"].values["R@10"] == entry["R@10"]


def test_a_report_can_be_made_of_it(metrics: dict[str, Any]) -> None:
    sides = {name: Side(name=name, modality="text") for name in ("left", "right")}
    data = ReportData(**sides, num_pairs=9, exported="ridge-cca", retrieval=intake.splits(metrics))
    shown = retrieval_table(data, "random").lines[0].cells[2]
    assert shown.text == f"{metrics['retrieval']['ridge-cca']['mean']['R@10']:.1f}"


def test_curves_of_one_split(metrics: dict[str, Any]) -> None:
    curves = intake.curves(metrics["curves"], "random")
    assert sorted((c.method, c.direction) for c in curves) == [
        (m, d) for m in ("chance", "ridge-cca") for d in ("left_to_right", "mean", "right_to_left")
    ]
    one = next(c for c in curves if (c.method, c.direction) == ("ridge-cca", "mean"))
    assert list(one.k) == list(range(1, 31))
    assert one.recall[9] == pytest.approx(metrics["retrieval"]["ridge-cca"]["mean"]["R@10"], abs=1e-3)
    assert one.recall[-1] == 100
    assert one.low is not None
    assert next(c for c in curves if c.method == "chance").low is None


def test_gauge_of_its_own_file() -> None:
    rows = np.random.default_rng(1).standard_normal((40, 5)).astype(np.float32)
    measured = measure_gauge(rows, rows, num_permutations=20)
    found = intake.gauge(json.loads(json.dumps(measured.to_json())))
    assert found is not None
    assert found.values == {"cka": measured.cka, "mutual_knn": measured.mutual_knn}
    assert {n: (v.mean, v.sd, v.p_value) for n, v in found.nulls.items()} == {
        n: tuple(asdict(v).values()) for n, v in measured.null.items()
    }
    assert found.verdict == measured.verdict
    assert intake.gauge(None) is None


def test_correlations_of_the_primary_fit() -> None:
    band = {"low": [0.1], "mean": [0.2], "high": [0.3]}
    entry = {
        "canonical_correlations": [0.9],
        "heldout_correlations": [0.4],
        "null": {"in_sample": band, "heldout": band},
    }
    found = intake.correlations(entry)
    assert found is not None
    assert (found.known, found.heldout) == ([0.9], [0.4])
    assert found.heldout_null is not None
    assert (found.heldout_null.low, found.heldout_null.high) == ([0.1], [0.3])
    assert intake.correlations({"ridge": 1.0}) is None


def test_side_with_and_without_an_encoder() -> None:
    corpus = {"modality": "image", "rows": 7, "quarantined": 2, "reasons": {"empty": 2}, "licences": ["CC BY 4.0"]}
    encoder = {"encoder": "lite0", "dim": 1280, "licence": "Apache-2.0", "modality": "image"}
    found = intake.side("left", {**corpus, "duplicates": 1, "dim": None}, encoder)
    assert (found.rows, found.quarantined, found.duplicates, found.dim, found.encoder) == (7, 2, 1, 1280, "lite0")
    assert found.licences == [
        Licence(what="left corpus", licence="CC BY 4.0"),
        Licence(what="left encoder, lite0", licence="Apache-2.0"),
    ]
    bare = intake.side("right", {"modality": "embedding", "rows": 3, "dim": 16})
    assert (bare.dim, bare.encoder, bare.noun, bare.licences) == (16, "", "right item", [])


def test_spectrum_and_discrepancy() -> None:
    found = intake.spectrum("left", {"eigenvalues": [0.9, 0.5], "gap_index": 1, "solver": "eigen", "components": 1})
    assert (found.gap_index, found.solver) == (1, "eigen")
    moved = intake.discrepancy({"before": [0.2], "after": [0.1]})
    assert moved is not None
    assert (moved.before, moved.after) == ([0.2], [0.1])
    assert intake.discrepancy(None) is None
