"""A whole run of several views a side, in this process: two columns of embeddings, two texts and two encoders."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from worlds import two_views, write_pairs

from cluster.workflow.store import Store
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder
from components.model import SharedSpace
from pipelines.cli import app
from pipelines.home import Home

LACK_CLIP, LACK_WORDS = 7, 5
RECIPE = """
pipeline: align
left:  {source: images.parquet, embedding: [dino, clip]}
right: {source: texts.jsonl, text: [name, words], encoder: [hashed-tfidf]}
pairs: pairs.csv
pairs_budget: 60
aligner: kernel-ridge
compare: []
splits: {draws: 2}
"""


@dataclass(frozen=True)
class Done:
    home: Path
    vectors: np.ndarray
    texts: list[str]

    @property
    def space(self) -> SharedSpace:
        return SharedSpace.load(Folder.at(Home.open(self.home).results("recipe") / "model"))

    def step(self, name: str) -> Folder:
        store = Store(Home.open(self.home).store)
        key = store.read_run(store.run_ids()[-1])["steps"][name]["key"]
        folder = store.folder_of(f"{name}-{key[:16]}")
        assert folder is not None
        return folder


def _texts(rows: np.ndarray) -> list[str]:
    """Words that say in which third of the corpus a row is along each direction."""
    thirds = np.argsort(np.argsort(rows, axis=0), axis=0) * 3 // len(rows)
    return [" ".join(f"{'low mid high'.split()[t]}{d}" for d, t in enumerate(row)) for row in thirds]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_home: Callable[[Path], Path]) -> Done:
    root = tmp_path_factory.mktemp("views")
    x, y = two_views(400, 0)
    names, words = _texts(y[:, :6]), _texts(y[:, 6:14])
    ids = [f"i{n}" for n in range(400)]
    clip = [None if n < LACK_CLIP else row for n, row in enumerate((1000 * x[:, 12:] + 5).tolist())]
    columns = {"id": ids, "dino": x[:, :12].tolist(), "clip": clip}
    pq.write_table(pa.table(columns), root / "images.parquet")
    lines = [{"id": i, "name": n, "words": w} for i, n, w in zip(ids, names, words, strict=True)]
    for line in lines[-LACK_WORDS:]:
        line["words"] = ""
    (root / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_pairs(root / "pairs.csv", [(i, i) for i in ids])
    (root / "recipe.yaml").write_text(RECIPE)
    home = make_home(root / "home")
    result = CliRunner().invoke(app, ["run", str(root / "recipe.yaml"), "--no-ray", "--home", str(home)])
    assert result.exit_code == 0, result.output
    assert f"{LACK_CLIP} rows have no clip" in " ".join(result.output.split())
    return Done(home, x, names)


def test_no_row_is_lost_and_what_is_missing_is_counted(done: Done) -> None:
    for side, lacking in (("left", LACK_CLIP), ("right", LACK_WORDS)):
        joined = Embeddings.read(done.step(f"join-{side}"))
        assert len(joined) == 400 and len(joined.blocks) == 2
        views = done.step(f"join-{side}").read_json("encoder.json")["views"]
        assert [v["missing"] for v in views] == [0, lacking]
        assert int(np.isnan(joined.vectors).any(axis=1).sum()) == lacking


def test_held_out_pairs_are_found(done: Done) -> None:
    retrieval = done.step("evaluate").read_json("metrics.json")["retrieval"]
    assert retrieval["kernel-ridge"]["mean"]["R@10"] > 3 * retrieval["chance"]["mean"]["R@10"]


def test_a_new_item_comes_whole_or_in_parts(done: Done) -> None:
    space, row = done.space, done.vectors[100].copy()
    row[12:] = 1000 * row[12:] + 5
    parts = {"dino": row[:12].tolist(), "clip": row[12:].tolist()}
    whole = space.encode_left([row])
    np.testing.assert_allclose(space.encode_left([parts]), whole, atol=1e-5)
    np.testing.assert_allclose(whole[0], space.sides["left"].index.rows(["i100"])[0], atol=1e-4)
    found = space.search({"dino": row[:12].tolist()}, side="left", to="left", k=10)
    assert "i100" in {match.id for match in found}
    assert space.columns("left") == ["dino", "clip"]


def test_an_item_that_lacks_a_view_lies_where_its_other_views_say(done: Done) -> None:
    space, n = done.space, 400 - 1
    got = space.encode_right([{"name": done.texts[n]}])
    np.testing.assert_allclose(got[0], space.sides["right"].index.rows([f"i{n}"])[0], atol=1e-4)


def test_the_model_is_the_same_after_saving_again(done: Done, tmp_path: Path) -> None:
    done.space.save(Folder.at(tmp_path).make())
    again = SharedSpace.load(Folder.at(tmp_path))
    assert again.sides["right"].views == done.space.sides["right"].views
    np.testing.assert_array_equal(again.encode_right(["low0 mid1"]), done.space.encode_right(["low0 mid1"]))


def test_a_model_of_the_first_format_is_read_and_an_unknown_one_refused(done: Done, tmp_path: Path) -> None:
    folder = Folder.at(tmp_path).make()
    done.space.save(folder)
    about = folder.read_json("model.json")
    for side in about["sides"].values():
        side.pop("views")
        side["encoder"] = "given"
    folder.write_json("model.json", about | {"format": 1})
    old = SharedSpace.load(folder)
    row = np.concatenate([done.vectors[100, :12], 1000 * done.vectors[100, 12:] + 5])
    np.testing.assert_array_equal(old.encode_left([row]), done.space.encode_left([row]))
    folder.write_json("model.json", about | {"format": 99})
    with pytest.raises(UserError, match="format 99 is not 3"):
        SharedSpace.load(folder)


def test_search_takes_some_of_the_columns(done: Done) -> None:
    query = json.dumps({"name": done.texts[50]})
    result = CliRunner().invoke(app, ["search", query, "--home", str(done.home), "--to", "right", "-k", "10"])
    assert result.exit_code == 0, result.output
    assert "i50" in result.output
