"""Tables from files of embeddings and from the encoding steps of a recipe."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cluster.workflow.step import StepContext
from components.corpora.emoji import head_word
from components.corpora.paired import PairedRows
from components.corpora.pairs import known_pairs
from components.embeddings import Embeddings
from pipelines.steps.pairs import side_ids


def read_files(ctx: StepContext) -> PairedRows:
    """Row i of every file is item i: ``.npy`` files of embeddings, and ``table.parquet`` with the groups.

    config: ``left``, ``right``: names of the files without ending; ``group``: a column, or ``head word`` of ``name``.
    """
    folder = Path(ctx.locations["folder"])
    sides = [[np.load(folder / f"{n}.npy").astype(np.float32) for n in ctx.config[side]] for side in ("left", "right")]
    ids = [f"item-{n:05d}" for n in range(len(sides[0][0]))]
    left, right = (_side_by_side(ids, side) for side in sides)
    groups = _groups(folder / "table.parquet", str(ctx.config["group"]))
    return PairedRows(left=left, right=right, pairs=[(i, i) for i in ids], groups=dict(zip(ids, groups, strict=True)))


def _side_by_side(ids: list[str], views: list[np.ndarray]) -> Embeddings:
    blocks = tuple(view.shape[1] for view in views) if len(views) > 1 else ()
    return Embeddings(ids, np.concatenate(views, axis=1), blocks)


def _groups(path: Path, column: str) -> list[str]:
    table = pq.read_table(path)
    if column != "head word":
        return [str(value) for value in table[column].to_pylist()]
    codes = table["hex"].to_pylist() if "hex" in table.column_names else [""] * len(table)
    names = (re.sub(r"[\W\d_]+", " ", name.lower()).strip() for name in table["name"].to_pylist())
    return [head_word(name or "-", code) for name, code in zip(names, codes, strict=True)]


def read_recipe(ctx: StepContext) -> PairedRows:
    """Embeddings of the recipe's encoding steps, its pairs, known and held-out ones, and its groups (left side's)."""
    (left, known_left), (right, known_right) = (side_ids(ctx.inputs[f"shard-{side}"]) for side in ("left", "right"))
    pairs = set()
    for location in (ctx.locations[n] for n in ("pairs", "heldout") if n in ctx.locations):
        pairs |= set(known_pairs(location, known_left, known_right).pairs)
    found = {a: left.groups.get(a) if left.groups else right.groups.get(b) for a, b in pairs}
    groups = {a: group for a, group in found.items() if group is not None}
    blocks = [Embeddings.read(ctx.inputs[f"encode-{side}"]) for side in ("left", "right")]
    return PairedRows(left=blocks[0], right=blocks[1], pairs=sorted(pairs), groups=groups)
