"""``isthmus evaluate --only generation`` in this process: squares of four colours and what they are called."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from toy_pictures import toy_pictures
from typer.testing import CliRunner
from worlds import write_pairs

from pipelines.cli import app

pytestmark = pytest.mark.slow
NAMES = ("red", "green", "blue", "yellow")
RECIPE = """
pipeline: align
left:  {source: pictures.parquet, encoder: hog-color}
right: {source: names.parquet, encoder: hashed-tfidf}
pairs: pairs.csv
pairs_budget: 40
aligner: kernel-ridge
splits: {draws: 2, unpaired: all}
generators:
  gan: {side: 16, width: 16, epochs: 12, batch: 16, learning_rate: 5.0e-3}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, make_home: Callable[[Path], Path]) -> tuple[Path, dict[str, Any]]:
    """The home, and the numbers."""
    root = tmp_path_factory.mktemp("squares")
    toy = toy_pictures(320)
    ids = [f"{n:03d}" for n in range(320)]
    pictures = [_png(p) for p in toy.pictures]
    pq.write_table(pa.table({"id": ids, "image": pa.array(pictures, pa.binary())}), root / "pictures.parquet")
    texts = [f"a {NAMES[c]} square" for c in toy.colour]
    pq.write_table(pa.table({"id": ids, "text": texts}), root / "names.parquet")
    write_pairs(root / "pairs.csv", [(i, i) for i in ids])
    (root / "squares.yaml").write_text(RECIPE)
    home = make_home(root / "home")
    command = ["evaluate", str(root / "squares.yaml"), "--only", "generation", "--no-ray", "--home", str(home)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return home, json.loads((home / "results" / "squares" / "applications.json").read_text())["generation"]["gan"]


def _png(pixels: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_names_draw_their_colour_and_shuffled_names_do_not(found: tuple[Path, dict[str, Any]]) -> None:
    """A quarter of the 80 held-out squares has the name's colour: the true one is among the nearest 10 half the time
    if nothing but the colour is known, and one time in eight by chance."""
    numbers = found[1]
    assert numbers["texts"] == 80 and numbers["training_pictures"] == 240
    assert numbers["r10_shuffled_control"]["mean"] == pytest.approx(1 / 8, abs=0.06)
    assert numbers["r10"]["low"] > numbers["r10_shuffled_control"]["high"] and numbers["ratio"] > 2


def test_the_page_shows_what_was_drawn(found: tuple[Path, dict[str, Any]]) -> None:
    page = (found[0] / "results" / "squares" / "applications.html").read_text()
    assert "Pictures from texts" in page and page.count("data:image/svg+xml") == 1
    assert "24 texts, the true picture of each, what GAN drew, and the nearest training picture" in page
