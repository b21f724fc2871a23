"""Step ``prepare``: the rows of a corpus as a network takes them, their labels, and which of them are kept back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from cluster.data import map_numbers
from cluster.encoding import SHARDS
from cluster.workflow.step import Facts, StepContext
from components.encoders.pixels import squares
from components.errors import UserError
from components.files import Folder
from components.pretraining.artifact import TOKENIZER, TrainedEncoder
from components.pretraining.rows import Rows, RowsWriter, SplitConfig
from components.pretraining.tokenizer import TokenIds, train_tokenizer
from pipelines.steps.pairs import columns_of

LABELS = "labels.parquet"


def run(ctx: StepContext) -> Facts:
    """Write ``rows/``, ``items.parquet``, ``rows.json`` (see :mod:`components.pretraining.rows`) and, for texts,
    ``tokenizer.json``.

    config: ``modality``, ``labels`` (a column, ``auto``, ``kmeans`` or null), ``kept``, ``seed``; for pictures
    ``stored_side``; for texts ``vocabulary`` and ``max_tokens``. inputs: ``shards``, with k-means ``labels``.
    locations: ``start``: folder of a trained encoder whose tokenizer is taken. options: ``engine``.
    """
    shards = ctx.inputs["shards"]
    _require_modality(shards, ctx.config["modality"])
    ids, labels = _items(ctx, shards)
    split = SplitConfig(**ctx.config["kept"]).assign(ids, int(ctx.config["seed"]))
    call = partial(_write_pictures, shards, ctx.out, int(ctx.config.get("stored_side") or 0))
    if ctx.config["modality"] == "text":
        tokenizer = _tokenizer(ctx, shards, set(np.array(ids, dtype=object)[split == "train"]))
        ctx.out.write_bytes(TOKENIZER, tokenizer)
        call = partial(_write_tokens, shards, ctx.out, tokenizer, int(ctx.config["max_tokens"]))
    names, done, sizes = shards.parquet_names(SHARDS), 0, []
    nodes: Counter[str] = Counter()
    for count in map_numbers(call, len(names), ctx.options.get("engine", "ray"), nodes):
        done += count
        ctx.progress(done, len(ids))
    ctx.placed(nodes)
    sizes = [len(shards.read_table(name, ["id"])) for name in names]
    RowsWriter(ctx.out, ctx.config["modality"]).finish(ids, labels, split, sizes)
    return _facts(Rows(ctx.out))


def _facts(rows: Rows) -> Facts:
    labelled = [label for label in rows.labels if label is not None]
    counts = {name: int((rows.split == name).sum()) for name in ("train", "valid", "test")}
    return {"rows": len(rows), **counts, "labelled": len(labelled), "classes": len(set(labelled))}


def _require_modality(shards: Folder, wanted: str) -> None:
    found = shards.read_json("corpus.json")["modality"]
    if found != wanted:
        raise UserError(
            f"this corpus has {found}s, and encode-{wanted}s learns from {wanted}s",
            where="corpus.source",
            do=f"use `pipeline: encode-{found}s`" if found in ("image", "text") else "name its pictures or texts",
        )


def _items(ctx: StepContext, shards: Folder) -> tuple[list[str], list[str | None]]:
    """Ids and labels in the order of the shards."""
    ids: list[str] = []
    labels: list[str | None] = []
    column = _label_column(shards, ctx.config["labels"])
    given = _pseudo_labels(ctx.inputs["labels"]) if "labels" in ctx.inputs else None
    for table in (shards.read_table(n, ["id", *([column] if column else [])]) for n in shards.parquet_names(SHARDS)):
        ids += table["id"].to_pylist()
        labels += table[column].to_pylist() if column else [None] * len(table)
    return ids, [given[i] for i in ids] if given else [v or None for v in labels]


def _label_column(shards: Folder, wanted: str | None) -> str | None:
    """The column of the labels. Raises UserError if it is named and not there."""
    if wanted is None or wanted == "kmeans":
        return None
    have = [c for c in ("label", "group") if c in columns_of(shards)]
    if wanted == "auto":
        return have[0] if have else None
    if wanted not in have:
        raise UserError(
            f"the corpus has no labels in {wanted!r}",
            where="labels",
            do=f"use {', '.join([*have, 'kmeans'])} or null; corpus.label and corpus.group name columns of a table",
        )
    return wanted


def _pseudo_labels(folder: Folder) -> dict[str, str]:
    table = folder.read_table(LABELS)
    return dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))


def _tokenizer(ctx: StepContext, shards: Folder, train_ids: set[Any]) -> bytes:
    """Trained on the training rows, or that of the encoder to start from."""
    if "start" in ctx.locations:
        tokenizer = TrainedEncoder.load(Folder.at(ctx.locations["start"])).tokenizer
        if tokenizer is None:
            raise UserError("this encoder has no tokenizer", where="model.weights", do="start from a text encoder")
        return tokenizer
    return train_tokenizer(_texts(shards, train_ids), int(ctx.config["vocabulary"]))


def _texts(shards: Folder, ids: set[Any]) -> Iterator[str]:
    for name in shards.parquet_names(SHARDS):
        table = shards.read_table(name, ["id", "text"])
        yield from (t for i, t in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True) if i in ids)


def _write_pictures(shards: Folder, out: Folder, side: int, number: int) -> int:
    name = shards.parquet_names(SHARDS)[number]
    items = shards.read_table(name, ["image"])["image"].to_pylist()
    RowsWriter(out, "image").pictures(number, squares(items, side))
    return len(items)


def _write_tokens(shards: Folder, out: Folder, tokenizer: bytes, max_tokens: int, number: int) -> int:
    items = shards.read_table(shards.parquet_names(SHARDS)[number], ["text"])["text"].to_pylist()
    RowsWriter(out, "text").tokens(number, TokenIds(tokenizer, max_tokens)(items))
    return len(items)
