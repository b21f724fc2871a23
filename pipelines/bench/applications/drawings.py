"""Labels of one set of drawings used on another: Twemoji and Noto, where the development corpora are at hand.

100 pictures have their counterpart named; classes are categories and subcategories of emoji.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from components.embeddings import Embeddings
from components.evaluation.transfer import DISPLACED
from pipelines.bench.alignment.corpora import corpora_folder
from pipelines.bench.applications.evaluated import evaluated

FILES = {"left": "img_twemoji_lite0.npy", "right": "img_noto_lite0.npy"}
COLUMNS = ("group", "subgroup")
SEEDS = (0, 1, 2, 3)
ALIGNER = "csa"
RECIPE = """
pipeline: align
left:  {source: left.parquet, label: COLUMN}
right: {source: right.parquet, label: COLUMN}
pairs: pairs.csv
pairs_budget: 100
aligner: ALIGNER
"""


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``{"transfer": {"drawings": {column: {seed: numbers, "goals": shares of the gap}}}}``, or why there is nothing.
    Quick: one column and one seed."""
    folder = corpora_folder(None) / "emoji"
    missing = [name for name in (*FILES.values(), "table.parquet") if not (folder / name).exists()]
    if missing:
        return {"transfer": {"drawings": {"absent": f"{folder / missing[0]} is not there"}}}
    columns, seeds = (COLUMNS[:1], SEEDS[:1]) if quick else (COLUMNS, SEEDS)
    with tempfile.TemporaryDirectory(prefix="isthmus-drawings-") as work:
        _write(folder, Path(work))
        found = {column: _measure(Path(work), column, seeds) for column in columns}
    return {"transfer": {"drawings": found}}


def _write(folder: Path, work: Path) -> None:
    """Rows whose ids say nothing about partners but their number, and the pairs."""
    table = pq.read_table(folder / "table.parquet", columns=list(COLUMNS))
    numbers = [f"{n:05d}" for n in range(len(table))]
    for side, name in FILES.items():
        rows = Embeddings(numbers, np.load(folder / name).astype(np.float32)).to_table()
        for column in COLUMNS:
            rows = rows.append_column(column, table[column])
        pq.write_table(rows, work / f"{side}.parquet")
    pacsv.write_csv(pa.table({"left_id": numbers, "right_id": numbers}), work / "pairs.csv")


def _measure(work: Path, column: str, seeds: Sequence[int]) -> dict[str, Any]:
    recipe = work / f"{column}.yaml"
    recipe.write_text(RECIPE.replace("COLUMN", column).replace("ALIGNER", ALIGNER))
    home = work / "home"
    runs = {
        f"seed {seed}": evaluated(recipe, home, only=["transfer"], settings=[f"seed={seed}"])["transfer"]
        for seed in seeds
    }
    goals = {
        name: float(np.mean([run["closed"][name]["mean"] for run in runs.values()])) for name in (ALIGNER, DISPLACED)
    }
    return {**runs, "goals": goals}
