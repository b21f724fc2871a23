"""Whole runs of a small bridge in this process: results, controls, resumption, search, and what bad input says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bridge_recipe_world import RECIPE, BridgeWorld, folder_of, metrics_of, run, search, write_bridge_world
from typer.testing import CliRunner
from worlds import write_embeddings, write_pairs

from cluster.workflow.store import Store
from components.bridge_model import BridgeModel
from components.bridging.fitted import FittedCritics
from components.corpora.triples import Triples
from components.files import Folder
from pipelines.cli import app
from pipelines.home import Home
from pipelines.recipe import load_any_recipe
from pipelines.registry import graph_of

MakeHome = Callable[[Path], Path]


def states(home: Path) -> dict[str, str]:
    store = Store(Home.open(home).store)
    record = store.read_run(store.run_ids()[-1])
    return {name: step["state"] for name, step in record["steps"].items()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[BridgeWorld, Path, str]:
    root = tmp_path_factory.mktemp("bridge")
    world = write_bridge_world(root / "world")
    code, text = run(world, make_home(root / "home"))
    assert code == 0, text
    return world, root / "home", text


MONTE_CARLO = "monte-carlo (aligned)"


def test_the_bridge_nears_the_oracle_and_shuffled_pairs_fall_to_chance(done: tuple[BridgeWorld, Path, str]) -> None:
    metrics = metrics_of(done[1])
    found = {m: e["mean"]["R@10"] for m, e in metrics["retrieval"].items()}
    assert found["chance"] == pytest.approx(25)
    assert found[MONTE_CARLO] > 75 and found[MONTE_CARLO] > 0.8 * found["oracle"]
    assert metrics["controls"]["shuffled-pairs"][MONTE_CARLO]["mean"]["R@10"] < 45
    assert metrics["truth"][MONTE_CARLO] > 0.6
    assert metrics["exported"]["method"] == MONTE_CARLO


def test_what_is_known_without_pairs_across_is_reported(done: tuple[BridgeWorld, Path, str]) -> None:
    way = metrics_of(done[1])["ways"]["aligned"]
    assert way["edges"]["ab"]["loss"] < way["edges"]["ab"]["chance"] - 1
    assert 1 <= way["ess"]["monte-carlo"]["50 %"] <= way["bridge"]
    assert way["halves_kl"] >= 0 and 0 <= way["uncovered"] <= 0.5
    sizes = [row["size"] for row in metrics_of(done[1])["curve"]]
    assert sizes == [20, 60, way["bridge"]]


def test_no_pair_across_is_fitted_on_and_the_bridge_holds_no_judged_item(done: tuple[BridgeWorld, Path, str]) -> None:
    triples = Triples.read(folder_of(done[1], "pairs"))
    judged = {a[1:] for a, _ in triples.heldout}
    assert len(judged) == 40 and all(a[1:] == c[1:] for a, c in triples.heldout)
    assert not judged & {b[1:] for b in triples.bridge}
    for draw in triples.draws:
        ab, bc = {b for _, b in draw.ab}, {b for b, _ in draw.bc}
        assert len(ab) == len(bc) == 60 and not ab & bc
        assert not judged & {i[1:] for i in ab | bc}
        assert not judged & {a[1:] for a, _ in draw.ac}
    sides = [{i[1:] for i in triples.unpaired[s]} for s in "abc"]
    assert not sides[0] & sides[1] and not sides[1] & sides[2] and not sides[0] & sides[2]


def test_the_report_has_its_figures_and_the_command_to_search(done: tuple[BridgeWorld, Path, str]) -> None:
    results = Home.open(done[1]).results("recipe")
    page = (results / "report.html").read_text()
    assert "How large the bridge has to be" in page and "How ambiguous a query may be" in page
    assert "With 60 image–en and 60 en–ja pairs and none across" in page
    report = folder_of(done[1], "report")
    assert {f"figures/{n}.csv" for n in ("bridge-size", "ambiguity")} <= {f.name for f in report.files()}
    assert "--from ja --to image" in done[2]


def test_another_size_of_the_bridge_runs_only_what_follows_the_scores(
    done: tuple[BridgeWorld, Path, str], tmp_path: Path
) -> None:
    world, home, _ = done
    build = lambda *sets: graph_of(load_any_recipe(str(world.recipe), sets), Home.open(home))(  # noqa: E731
        cache_dir=Home.open(home).cache, engine="local"
    )
    keys, changed = build().keys, build("bridge.size=50").keys
    assert {n for n in keys if keys[n] != changed[n]} == {"score-aligned", "evaluate", "report", "export"}
    assert build("scaling.bridge_shards=7", "scaling.shards=3").keys == keys


def test_the_same_command_runs_nothing_and_a_changed_budget_keeps_the_encodings(
    done: tuple[BridgeWorld, Path, str], tmp_path: Path, make_home: MakeHome
) -> None:
    world, home, _ = done
    before = metrics_of(home)
    assert run(world, home)[0] == 0
    assert set(states(home).values()) == {"HIT"} and metrics_of(home) == before
    other = make_home(tmp_path / "home")
    assert run(world, other)[0] == 0
    assert run(world, other, "budgets.ab=50")[0] == 0
    kept = {n for n, s in states(other).items() if s == "HIT"}
    assert kept == {f"{step}-{side}" for step in ("shard", "encode") for side in "abc"}


@pytest.mark.parametrize("shards", [7])
def test_parts_of_the_bridge_change_nothing(
    done: tuple[BridgeWorld, Path, str], tmp_path: Path, make_home: MakeHome, shards: int
) -> None:
    world, home, _ = done
    other = make_home(tmp_path / "home")
    assert run(world, other, f"scaling.bridge_shards={shards}")[0] == 0
    whole, parts = (folder_of(h, "score-aligned").read_tensors("scores.safetensors") for h in (home, other))
    np.testing.assert_allclose(parts["monte-carlo"], whole["monte-carlo"], atol=1e-12, rtol=0)
    assert metrics_of(other)["retrieval"] == metrics_of(home)["retrieval"]


def test_trained_critics_share_a_space_or_not(tmp_path: Path, make_home: MakeHome) -> None:
    world = write_bridge_world(tmp_path / "world")
    training = "critics={aligners: [ridge-cca], train: both, epochs: 60, batch: 30, hidden: [], learning_rate: 1e-2}"
    code, text = run(world, make_home(tmp_path / "home"), training, "splits.draws=1", "estimator=auto")
    assert code == 0, text
    found = {m: e["mean"]["R@10"] for m, e in metrics_of(tmp_path / "home")["retrieval"].items()}
    assert found["direct (shared)"] > 60 and found["monte-carlo (separate)"] > 60
    assert max(found["direct (separate)"], found["direct (aligned)"]) < 45  # two spaces that know nothing of each other
    assert "cost least under them" in text
    model = BridgeModel.load(Folder.at(Home.open(tmp_path / "home").results("recipe") / "bridge"))
    assert model.about["estimator"] in {"direct", "smoothed"}  # no query chooses for itself
    assert model.about["estimator"] == "direct" or model.about["options"]["bandwidth"] is not None


# search


def test_search_finds_partners_across_the_bridge_and_within_an_edge(done: tuple[BridgeWorld, Path, str]) -> None:
    world, home, _ = done
    triples = Triples.read(folder_of(home, "pairs"))
    model = BridgeModel.load(Folder.at(Home.open(home).results("recipe") / "bridge"))
    hits = {"ca": [], "ac": [], "ba": [], "cb": []}
    for a, c in triples.heldout:
        item = {"a": world.rows["a"][int(a[1:])], "b": world.rows["b"][int(a[1:])], "c": world.rows["c"][int(c[1:])]}
        for way, found in hits.items():
            matches = model.search(item[way[0]].tolist(), asked=way[0], to=way[1], k=10).matches
            found.append(f"{way[1]}{a[1:]}" in [m.id for m in matches])
    assert all(np.mean(h) > 0.3 for h in hits.values())  # of 300 rows: chance is 1/30
    query = json.dumps(world.rows["c"][0].tolist())
    told = search(home, query, "--from", "ja", "--to", "image", "-k", "3")
    assert told.startswith("0") and "ja -> image" in told and "log p(match | query)" in told
    assert "en -> image" in search(home, json.dumps(world.rows["b"][0].tolist()), "--from", "en")


def test_search_names_the_sides_that_exist(done: tuple[BridgeWorld, Path, str]) -> None:
    world, home, _ = done
    query = json.dumps(world.rows["c"][0].tolist())
    for args in (("--from", "fr"), ("--from", "ja", "--to", "left")):
        told = search(home, query, *args)
        assert not told.startswith("0") and "image (embedding), en (embedding), ja (embedding)" in told
    assert "say --from image or --from en or --from ja" in search(home, "[1, 2]")
    assert "takes embeddings" in search(home, "a text", "--from", "ja")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("[1, 2]", "a vector has 2 numbers; the right side takes 8"),
        ("[]", "a vector has 0 numbers"),
        ("[1, 2, 3, 4, 5, 6, 7, NaN]", "not a JSON list of numbers"),
    ],
)
def test_a_query_that_is_no_row_is_refused(done: tuple[BridgeWorld, Path, str], query: str, told: str) -> None:
    found = search(done[1], query, "--from", "ja")
    assert not found.startswith("0") and told in found and "unexpected" not in found


def test_a_match_that_rests_on_few_items_is_told(done: tuple[BridgeWorld, Path, str], tmp_path: Path) -> None:
    world, home, _ = done
    model = copied_bridge(home, tmp_path)
    card = json.loads((model / "bridge.json").read_text())
    card["options"]["ess_floor"] = 1000
    (model / "bridge.json").write_text(json.dumps(card))
    told = search(home, json.dumps(world.rows["c"][0].tolist()), "--from", "ja", "--model", str(model))
    assert told.startswith("0") and "(fewer than 1000)" in told


def copied_bridge(home: Path, folder: Path) -> Path:
    Folder.at(Home.open(home).results("recipe") / "bridge").copy_to(Folder.at(folder / "bridge"))
    return folder / "bridge"


def test_a_model_without_a_scale_is_refused(done: tuple[BridgeWorld, Path, str], tmp_path: Path) -> None:
    model = copied_bridge(done[1], tmp_path)
    card = json.loads((model / "bridge.json").read_text())
    del card["critics"]["bc"]["scale"]
    (model / "bridge.json").write_text(json.dumps(card))
    told = search(done[1], "[1, 2]", "--from", "ja", "--model", str(model))
    assert not told.startswith("0") and "critic bc" in told and "no scale" in told
    card["critics"]["bc"] |= {"scale": 5.0, "dim": 3}
    (model / "bridge.json").write_text(json.dumps(card))
    told = search(done[1], json.dumps(done[0].rows["c"][0].tolist()), "--from", "ja", "--model", str(model))
    assert not told.startswith("0") and "dimension" in told


# bad input


def _heldout_that_is_fitted(w: BridgeWorld) -> None:
    write_pairs(w.folder / "heldout.csv", [("a0", "c0"), ("a1", "c1")])
    w.recipe.write_text(RECIPE + "heldout: heldout.csv\n")


def _unknown_id(w: BridgeWorld) -> None:
    write_pairs(w.folder / "bc.csv", [("b0", "c0"), ("b999", "c1")])


def _unknown_judges(w: BridgeWorld) -> None:
    write_pairs(w.folder / "heldout.csv", [("a1", "c1"), ("a999", "c2")])
    w.recipe.write_text(RECIPE + "heldout: heldout.csv\n")


def _empty_bridge(w: BridgeWorld) -> None:
    ids = [f"b{n}" for n in range(20)]
    write_embeddings(w.folder / "b.parquet", {i: w.rows["b"][n].astype(np.float32) for n, i in enumerate(ids)})
    write_pairs(w.folder / "ab.csv", [(f"a{n}", f"b{n}") for n in range(20)])
    write_pairs(w.folder / "bc.csv", [(f"b{n}", f"c{n}") for n in range(20)])
    w.recipe.write_text(RECIPE.replace("heldout_max: 40", "heldout_max: 40, heldout_fraction: 0.999"))


def _nan_rows(w: BridgeWorld) -> None:
    rows = {f"c{n}": (x * (np.nan if n < 20 else 1)).astype(np.float32) for n, x in enumerate(w.rows["c"])}
    write_embeddings(w.folder / "c.parquet", rows)


BAD: dict[str, tuple[Callable[[BridgeWorld], object], list[str]]] = {
    "leakage": (_heldout_that_is_fitted, ["heldout", "'a0'", "A–B pairs"]),
    "unknown id": (_unknown_id, ["'b999'", "the b corpus", "bc.csv"]),
    "unknown id among those that judge": (_unknown_judges, ["'a999'", "the a corpus", "heldout.csv"]),
    "empty bridge": (_empty_bridge, ["bridge is empty"]),
    "too few pairs": (
        lambda w: write_pairs(w.folder / "ab.csv", [("a0", "b0"), ("a1", "b1")]),
        ["1 pair can be fitted on", "pairs.ab"],
    ),
    "NaN rows": (_nan_rows, ["NaN", "c.parquet", "max_bad_fraction"]),
    "missing side": (lambda w: w.recipe.write_text(RECIPE.replace("c: {source: c.parquet}\n", "")), ["c missing"]),
    "one name twice": (lambda w: w.recipe.write_text(RECIPE.replace("c: ja}", "c: en}")), ["not three names"]),
    "no critics": (lambda w: w.recipe.write_text(RECIPE.replace("[ridge-cca]", "[]")), ["no way to make critics"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_a_failing_exit_code(name: str, tmp_path: Path, make_home: MakeHome) -> None:
    damage, told = BAD[name]
    world = write_bridge_world(tmp_path / "world", items=120)
    damage(world)
    command = ["run", str(world.recipe), "--no-ray", "--home", str(make_home(tmp_path / "home"))]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "300"})
    text = " ".join(result.output.split()) + str(result.exception or "")
    assert result.exit_code != 0 and "Traceback" not in result.output
    for part in told:
        assert part in text, text


def test_queries_that_rest_on_few_items_are_named(tmp_path: Path, make_home: MakeHome) -> None:
    world = write_bridge_world(tmp_path / "world")
    code, text = run(world, make_home(tmp_path / "home"), "bridge.ess_floor=1000", "splits.draws=1")
    assert code == 0 and "40 of 40 queries rest on fewer than 1000 bridge items" in text
    heldout = Triples.read(folder_of(tmp_path / "home", "pairs")).heldout
    assert any(repr(a) in text for a, _ in heldout)
    assert "rest on fewer" in (Home.open(tmp_path / "home").results("recipe") / "report.html").read_text()


def test_without_any_pair_across_the_report_says_so(tmp_path: Path, make_home: MakeHome) -> None:
    world = write_bridge_world(tmp_path / "world")
    write_pairs(world.folder / "ab.csv", [(f"a{n}", f"b{n}") for n in range(0, 150)])
    write_pairs(world.folder / "bc.csv", [(f"b{n}", f"c{n}") for n in range(150, 300)])
    world.recipe.write_text(RECIPE.replace("truth: truth.parquet\n", ""))
    code, text = run(world, make_home(tmp_path / "home"))
    assert code == 0, text
    metrics = metrics_of(tmp_path / "home")
    assert metrics["retrieval"] == {} and metrics["pairs"]["heldout"] == 0
    assert metrics["ways"]["aligned"]["halves_kl"] >= 0
    assert "no pair says how well" in text


def test_fitted_critics_survive_the_disk(done: tuple[BridgeWorld, Path, str], tmp_path: Path) -> None:
    from pipelines.steps.bridge_rows import read_critics

    fits = read_critics(folder_of(done[1], "critics-aligned"))
    fitted = fits["none", 0]
    fitted.write(Folder.at(tmp_path / "one").make())
    again = FittedCritics.read(Folder.at(tmp_path / "one"))
    x = done[0].rows["a"][:5].astype(np.float32)
    np.testing.assert_array_equal(again.rows("a", x), fitted.rows("a", x))
    assert again.critics == fitted.critics and again.loss == fitted.loss < 0
