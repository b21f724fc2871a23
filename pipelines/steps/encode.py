"""Step ``encode-left`` / ``encode-right``, one for each further view: one vector per row of a sharded corpus."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cluster.encoding import EMBEDDINGS, FACTS_FILE, SHARDS, encode_shards
from cluster.workflow.step import Facts, StepContext
from components.embeddings import vectors_of
from components.errors import UserError
from components.files import Folder


def run(ctx: StepContext) -> Facts:
    """Write ``embeddings/part-*.parquet`` and ``encoder.json``; see :func:`cluster.encoding.encode_shards`.

    A corpus that came as embeddings passes through unchanged. A row that lacks this view gets NaN.

    config: ``encoder`` (a name or auto), ``column`` (of the shards, if the source names several). inputs: ``shards``.
    options: ``engine`` (ray or local), ``actors``, ``gpus_per_worker``, ``batch_size``, ``cache_dir``; null decides by
    itself.
    """
    shards = ctx.inputs["shards"]
    corpus = shards.read_json("corpus.json")
    column = ctx.config.get("column") or corpus["modality"]
    if corpus["modality"] == "embedding":
        return _pass_through(ctx, shards, column, view_dim(corpus, column))
    cache_dir = ctx.options.get("cache_dir")
    encoded = encode_shards(
        shards,
        ctx.out,
        ctx.config.get("encoder", "auto"),
        modality=corpus["modality"],
        column=column,
        engine=ctx.options.get("engine", "ray"),
        actors=ctx.options.get("actors"),
        gpus_per_actor=ctx.options.get("gpus_per_worker") or 0.0,
        batch_size=ctx.options.get("batch_size"),
        cache_dir=Path(cache_dir) if cache_dir else None,
        progress=ctx.progress,
    )
    return _facts(encoded.rows, encoded.dim, encoded.rows_per_s, encoded.encoder)


def view_dim(corpus: dict[str, Any], column: str) -> int:
    """Length of the vectors of a view, from ``corpus.json``."""
    dims = {view["name"]: view["dim"] for view in corpus.get("views", ())}
    return int(dims.get(column, corpus["dim"]))


def _pass_through(ctx: StepContext, shards: Folder, column: str, dim: int) -> Facts:
    began, rows = time.monotonic(), 0
    for name in shards.parquet_names(SHARDS):
        table = shards.read_table(name, ["id", column]).rename_columns(["id", "embedding"])
        if vectors_of(table["embedding"]).shape[1] != dim:
            raise UserError(f"the embeddings of this shard do not have {dim} columns", where=f"{shards.path}/{name}")
        ctx.out.write_table(f"{EMBEDDINGS}/{name.rpartition('/')[2]}", table)
        rows += len(table)
        ctx.progress(rows, None)
    about: dict[str, Any] = {"encoder": "given", "dim": dim, "licence": "", "modality": "embedding"}
    ctx.out.write_json(FACTS_FILE, about)
    return _facts(rows, dim, rows / max(time.monotonic() - began, 1e-9), "given")


def _facts(rows: int, dim: int, rows_per_s: float, encoder: str) -> Facts:
    return {"rows": rows, "dim": dim, "rows_per_s": round(rows_per_s, 1), "encoder": encoder}
