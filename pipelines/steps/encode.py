"""Step ``encode-left`` / ``encode-right``, one for each further view: one vector per row of a sharded corpus."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from cluster.encoding import EMBEDDINGS, FACTS_FILE, SHARDS, encode_shards
from cluster.workflow.step import Facts, StepContext
from components.embeddings import vectors_of
from components.encoders.registry import TRAINED
from components.errors import UserError
from components.files import Folder
from components.model import trained_folder
from components.pretraining.artifact import fingerprint_of, read_about


def run(ctx: StepContext) -> Facts:
    """Write ``embeddings/part-*.parquet`` and ``encoder.json``; see :func:`cluster.encoding.encode_shards`.

    A corpus that came as embeddings passes through unchanged. A row that lacks this view gets NaN.

    Of a trained encoder its folder is copied to ``trained/``: what was encoded with it must stay searchable when it is
    trained again.

    config: ``encoder`` (a name or auto), ``column`` (of the shards, if the source names several). inputs: ``shards``.
    locations: ``encoder``: folder of a trained one. options: ``engine`` (ray or local), ``actors``,
    ``gpus_per_actor``, ``batch_size``, ``cache_dir``; null decides by itself.
    """
    shards = ctx.inputs["shards"]
    corpus = shards.read_json("corpus.json")
    column = ctx.config.get("column") or corpus["modality"]
    if corpus["modality"] == "embedding":
        return _pass_through(ctx, shards, column, view_dim(corpus, column))
    cache_dir = ctx.options.get("cache_dir")
    nodes: Counter[str] = Counter()
    encoded = encode_shards(
        shards,
        ctx.out,
        _encoder(ctx),
        modality=corpus["modality"],
        column=column,
        engine=ctx.options.get("engine", "ray"),
        actors=ctx.options.get("actors"),
        gpus_per_actor=ctx.options.get("gpus_per_actor") or 0.0,
        batch_size=ctx.options.get("batch_size"),
        cache_dir=Path(cache_dir) if cache_dir else None,
        progress=ctx.progress,
        nodes=nodes,
    )
    ctx.placed(nodes)
    return _facts(encoded.rows, encoded.dim, encoded.rows_per_s, _keep_trained(ctx) or encoded.encoder)


def _encoder(ctx: StepContext) -> str:
    place = ctx.locations.get("encoder")
    return f"{TRAINED}{place}" if place else ctx.config.get("encoder", "auto")


def _keep_trained(ctx: StepContext) -> str | None:
    """Copy a trained encoder's folder. Returns its name, ``trained:NAME#HASH``."""
    if "encoder" not in ctx.locations:
        return None
    trained = Folder.at(ctx.locations["encoder"])
    name = f"{TRAINED}{read_about(trained)['name']}#{fingerprint_of(trained).split()[1][:12]}"
    trained.copy_to(ctx.out.sub(trained_folder(name)))
    ctx.out.write_json(FACTS_FILE, ctx.out.read_json(FACTS_FILE) | {"encoder": name})
    return name


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
