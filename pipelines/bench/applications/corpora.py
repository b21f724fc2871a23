"""Zero-shot classes and arithmetic on corpora that no setting was chosen on: clip art and icons, if they are at hand.

Pictures come as vectors; texts are encoded, as names of classes have to be. 100 pairs chosen by coverage.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from components.embeddings import Embeddings
from pipelines.bench.alignment.corpora import corpora_folder
from pipelines.bench.applications.evaluated import evaluated
from pipelines.bench.applications.space import FULL_ALIGNER, QUICK_ALIGNER, lows, zero_shot_goals

RECIPE = """
pipeline: align
left:  {source: pictures.parquet}
right: {source: texts.parquet, encoder: minilm}
pairs: pairs.csv
pairs_budget: 100
pairs_selection: coverage
"""
KEYS = {"zero_shot": "zero-shot", "arithmetic": "arithmetic"}


@dataclass(frozen=True, kw_only=True)
class Named:
    """A corpus: columns of its texts and names, and its classes, made from a column."""

    label: str
    class_of: Callable[[str], str | None]


def _first_tag(tags: str) -> str | None:
    return tags.split(",", maxsplit=1)[0].strip() or None


CORPORA = {
    "openclipart": Named(label="top", class_of=lambda top: None if top == "unsorted" else top),
    "mdi_icons": Named(label="tags", class_of=_first_tag),
}


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``{"zero_shot": {corpus: numbers}, "arithmetic": {corpus: numbers}}``, or why there is nothing. Quick: clip art
    only, three draws, and one aligner instead of ``auto``."""
    settings = [f"aligner={QUICK_ALIGNER}", "splits.draws=3"] if quick else [f"aligner={FULL_ALIGNER}"]
    found: dict[str, dict[str, Any]] = {key: {} for key in KEYS}
    for name, about in list(CORPORA.items())[: 1 if quick else None]:
        folder = corpora_folder(None) / name
        absent = {"absent": f"{folder} is not there"}
        there = (folder / "table.parquet").exists()
        numbers = _measure(folder, about, settings) if there else dict.fromkeys(KEYS, absent)
        for key in KEYS:
            found[key][name] = numbers[key]
    return found


def _measure(folder: Path, about: Named, settings: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="isthmus-corpora-") as work:
        _write(folder, about, Path(work))
        recipe = Path(work) / "recipe.yaml"
        recipe.write_text(RECIPE)
        numbers = evaluated(recipe, Path(work) / "home", only=list(KEYS.values()), settings=settings)
    exported = settings[0].partition("=")[2]
    numbers["zero_shot"]["goals"] = zero_shot_goals([numbers["zero_shot"]], exported)
    numbers["arithmetic"]["goals"] = lows([numbers["arithmetic"]])
    return numbers


def _write(folder: Path, about: Named, work: Path) -> None:
    """Rows whose ids say nothing about partners but their number, and the pairs."""
    table = pq.read_table(folder / "table.parquet", columns=["name", "text", about.label])
    numbers = [f"{n:05d}" for n in range(len(table))]
    rows = Embeddings(numbers, np.load(folder / "img_lite0.npy").astype(np.float32)).to_table()
    labels = pa.array([about.class_of(value or "") for value in table[about.label].to_pylist()], pa.string())
    pq.write_table(rows.append_column("label", labels), work / "pictures.parquet")
    texts = {"id": numbers, "text": table["text"], "title": table["name"]}
    pq.write_table(pa.table(texts), work / "texts.parquet")
    pacsv.write_csv(pa.table({"left_id": numbers, "right_id": numbers}), work / "pairs.csv")
