"""metrics.json: every method beside chance, intervals, controls, the gauge; curves and queries agree with it."""

import csv
import io
import json
from pathlib import Path

import pytest
from align_world import BASE, AlignWorld, make_world


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> AlignWorld:
    world = make_world(tmp_path_factory.mktemp("evaluate"))
    world.run("gauge", "gauge", world.inputs("left", "right", "splits"), BASE)
    world.fit("ridge-cca", controls=True)
    world.fit("procrustes")
    world.run("evaluate", "evaluate", _inputs(world), {"seed": 0})
    return world


def _inputs(world: AlignWorld) -> dict:  # type: ignore[type-arg]
    methods = {f"method:{m}": f"fit-{m}" for m in ("ridge-cca", "procrustes")}
    return world.inputs("gauge", "splits", **methods)


def test_form_of_the_metrics(done: AlignWorld) -> None:
    m = done.root.sub("evaluate").read_json("metrics.json")
    assert set(m["retrieval"]) == {"chance", "ridge-cca", "procrustes"}
    for table in (m["retrieval"], m["splits"]["group"]["retrieval"]):
        for entry in table.values():
            assert set(entry) == {"left_to_right", "right_to_left", "mean"}
            for values in entry.values():
                assert set(values) == {"R@1", "R@5", "R@10", "median_rank", "foscttm", "gallery", "draws", "ci95"}
                for name, (low, high) in values["ci95"].items():
                    assert low <= values[name] <= high
    assert m["splits"]["random"]["retrieval"] == m["retrieval"]
    assert m["retrieval"]["ridge-cca"]["mean"]["draws"] == 5
    assert m["retrieval"]["chance"]["mean"]["R@10"] == 10
    assert m["alignability"] == done.root.sub("gauge").read_json("gauge.json")
    assert m["pairs"]["pairs"] == 40 and m["pairs"]["heldout"] == 100


def test_controls_are_at_chance(done: AlignWorld) -> None:
    m = done.root.sub("evaluate").read_json("metrics.json")
    assert set(m["controls"]) == {"shuffled-pairs", "random-features"}
    real = m["retrieval"]["ridge-cca"]["mean"]["R@10"]
    for control in m["controls"].values():
        low, high = control["ridge-cca"]["mean"]["ci95"]["R@10"]
        assert low - 1 < 10 < high + 1 and high < real / 2


def test_curve_and_queries_agree_with_the_table(done: AlignWorld) -> None:
    out = done.root.sub("evaluate")
    m = out.read_json("metrics.json")
    rows = list(csv.DictReader(io.StringIO(out.read_bytes("recall_at_k.csv").decode())))
    at = {(r["split"], r["method"], r["direction"], int(r["k"])): float(r["recall"]) for r in rows}
    for split, table in m["splits"].items():
        for method, entry in table["retrieval"].items():
            for direction, values in entry.items():
                assert at[split, method, direction, 10] == pytest.approx(values["R@10"], abs=1e-3)
    queries = out.read_table("queries.parquet").to_pylist()
    assert len(queries) == 2 * 2 * 100
    assert {q["query"] for q in queries} == {i for i, _ in done.splits.heldout}


def test_second_evaluation_writes_the_same_bytes_and_plain_json_facts(done: AlignWorld) -> None:
    facts = done.run("evaluate", "again", _inputs(done), {"seed": 0})
    a, b = done.root.sub("evaluate"), done.root.sub("again")
    for file in a.files():
        assert a.read_bytes(file.name) == b.read_bytes(file.name)
    m = a.read_json("metrics.json")
    assert facts["R@10.ridge-cca"] == m["retrieval"]["ridge-cca"]["mean"]["R@10"]
    assert json.loads(json.dumps(facts)) == facts and facts["R@10.chance"] == 10


def test_a_folder_without_ranks_is_an_error(done: AlignWorld, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        done.run("evaluate", "broken", {**_inputs(done), "method:x": done.root.sub("gauge")}, {"seed": 0})
