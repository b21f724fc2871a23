"""Small corpora with a known truth, written as a user would bring them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class World:
    """Files of two corpora of embeddings, their pairs, and a recipe that joins them."""

    folder: Path
    recipe: Path
    left: dict[str, np.ndarray]
    right: dict[str, np.ndarray]


def two_views(
    n: int, seed: int, *, noise: float = 0.05, dims: tuple[int, int] = (24, 20)
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one hidden world (five clusters in R^6) seen by two different, slightly curved encoders."""
    world = np.random.default_rng(99)  # the encoders are the same whatever the seed of the rows
    centres, maps = world.normal(size=(5, 6)) * 2, [world.normal(size=(6, d)) / 3 for d in dims]
    rng = np.random.default_rng(seed)
    hidden = centres[rng.integers(0, 5, n)] + rng.normal(size=(n, 6))
    left, right = (np.tanh(hidden @ m) + noise * rng.normal(size=(n, m.shape[1])) for m in maps)
    return left.astype(np.float32), right.astype(np.float32)


def write_world(
    folder: Path,
    *,
    unpaired: int = 300,
    pairs: int = 90,
    heldout: int = 60,
    seed: int = 0,
    shuffle: int | None = None,
    recipe: str = "",
) -> World:
    """Disjoint unpaired rows on both sides, plus known and held-out pairs. ``shuffle`` permutes all rows."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = two_views(2 * unpaired + pairs + heldout, seed)
    known = range(2 * unpaired, 2 * unpaired + pairs)
    held = range(2 * unpaired + pairs, len(x))
    left = {f"L{i}": x[i] for i in [*range(unpaired), *known, *held]}
    right = {f"R{i}": y[i] for i in [*range(unpaired, 2 * unpaired), *known, *held]}
    order = None if shuffle is None else np.random.default_rng(shuffle)
    write_embeddings(folder / "images.parquet", left, order)
    write_embeddings(folder / "texts.parquet", right, order)
    write_pairs(folder / "pairs.csv", [(f"L{i}", f"R{i}") for i in known], order)
    write_pairs(folder / "heldout.csv", [(f"L{i}", f"R{i}") for i in held], order)
    path = folder / "recipe.yaml"
    path.write_text(recipe or RECIPE)
    return World(folder, path, left, right)


RECIPE = """
pipeline: align
left:  {source: images.parquet}
right: {source: texts.parquet}
pairs: pairs.csv
pairs_budget: 60
heldout: heldout.csv
aligner: ridge-cca
spectral: {dim: 8, graph: {neighbours: 8, scale_k: 4}}
seed: 0
"""


def write_embeddings(path: Path, rows: dict[str, np.ndarray], order: np.random.Generator | None = None) -> None:
    ids = list(rows)
    if order is not None:
        order.shuffle(ids)
    flat = np.concatenate([rows[i] for i in ids])
    column = pa.FixedSizeListArray.from_arrays(pa.array(flat), len(rows[ids[0]]))
    pq.write_table(pa.table({"id": ids, "embedding": column}), path)


def write_pairs(path: Path, pairs: list[tuple[str, str]], order: np.random.Generator | None = None) -> None:
    pairs = list(pairs)
    if order is not None:
        order.shuffle(pairs)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["left_id", "right_id"])
        writer.writerows(pairs)
