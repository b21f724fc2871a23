"""Step ``join-left`` / ``join-right``: the views of one side, each encoded by its own step, side by side by id."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from cluster.encoding import EMBEDDINGS, FACTS_FILE
from cluster.encoding_chunks import vector_column
from cluster.workflow.step import Facts, StepContext
from components.alignment.blocks import missing
from components.embeddings import vectors_of, with_blocks
from components.errors import UserError
from components.files import Folder


def run(ctx: StepContext) -> Facts:
    """Write ``embeddings/part-*.parquet``, rows [N, D1 + … + DV] with their block sizes, and ``encoder.json``.

    One shard is in memory at a time. A block of NaN is a view that the row lacks.

    config: ``columns``, of each view as the user calls it. inputs: ``view-1`` … ``view-V``, in the order of the blocks.
    """
    views = [ctx.inputs[f"view-{n}"] for n, _ in enumerate(ctx.config["columns"], start=1)]
    about = [view.read_json(FACTS_FILE) for view in views]
    blocks, lost, rows = [int(a["dim"]) for a in about], np.zeros(len(views), np.int64), 0
    for name in views[0].parquet_names(EMBEDDINGS):
        table, lacking = _side_by_side([view.read_table(name) for view in views], where=name)
        ctx.out.write_table(name, with_blocks(table, blocks))
        lost, rows = lost + lacking, rows + len(table)
        ctx.progress(rows, None)
    for view in views:  # encoders that were trained here
        view.sub("trained").copy_to(ctx.out.sub("trained"))
    _write_facts(ctx.out, about, ctx.config["columns"], lost.tolist())
    _note_missing(ctx, lost.tolist())
    return {"rows": rows, "dim": sum(blocks), "views": len(views), "missing": int(lost.sum())}


def _side_by_side(tables: list[pa.Table], *, where: str) -> tuple[pa.Table, np.ndarray]:
    """The joined rows of one shard, and how many of them lack each view."""
    ids = tables[0]["id"].to_pylist()
    blocks = []
    for table in tables:
        vectors = vectors_of(table["embedding"])
        if table["id"].to_pylist() != ids:
            place = {row_id: n for n, row_id in enumerate(table["id"].to_pylist())}
            if place.keys() != set(ids):
                raise UserError("the views of this shard have different rows", where=where)
            vectors = vectors[[place[row_id] for row_id in ids]]
        blocks.append(vectors)
    joined = np.ascontiguousarray(np.concatenate(blocks, axis=1))
    lacking = np.array([int(missing(block).sum()) for block in blocks])
    return pa.table({"id": pa.array(ids, pa.string()), "embedding": vector_column(joined)}), lacking


def _write_facts(out: Folder, about: list[dict[str, Any]], columns: list[str], lost: list[int]) -> None:
    views = [
        {"encoder": a["encoder"], "column": c, "dim": a["dim"], "licence": a["licence"], "missing": n}
        for a, c, n in zip(about, columns, lost, strict=True)
    ]
    licences = list(dict.fromkeys(a["licence"] for a in about if a["licence"]))
    joined = {
        "encoder": " + ".join(dict.fromkeys(a["encoder"] for a in about)),
        "modality": about[0]["modality"],
        "dim": sum(int(a["dim"]) for a in about),
        "licence": "; ".join(licences),
        "views": views,
    }
    out.write_json(FACTS_FILE, joined)


def _note_missing(ctx: StepContext, lost: list[int]) -> None:
    for column, count in dict(zip(ctx.config["columns"], lost, strict=True)).items():
        if count:
            ctx.note(f"{count} rows have no {column}; they are placed by their other views")
