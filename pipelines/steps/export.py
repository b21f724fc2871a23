"""Step ``export``: the aligner's primary maps and both indexes as one model folder."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa

from cluster.workflow.step import Facts, StepContext
from components.embeddings import Embeddings
from components.files import Folder
from components.model import ModelSide, SharedSpace
from components.transforms import load_transform

THUMBNAIL_PX = 96
MAX_THUMBNAILS = 20_000


def run(ctx: StepContext) -> Facts:
    """Write ``model/``: see :mod:`components.model`. All rows of both corpora can be found, held-out ones too."""
    sides: dict[Any, ModelSide] = {side: _side(ctx, side) for side in ("left", "right")}
    about = {
        "name": ctx.config["name"],
        "aligner": ctx.config["aligner"],
        "metrics": ctx.inputs["evaluate"].read_json("metrics.json")["retrieval"].get(ctx.config["aligner"], {}),
        "pairs": ctx.inputs["evaluate"].read_json("metrics.json").get("pairs", {}),
    }
    model = SharedSpace(sides, about)
    model.save(ctx.out.sub("model"))
    return {f"{name}_rows": len(side.index) for name, side in sides.items()} | {"aligner": ctx.config["aligner"]}


def _side(ctx: StepContext, side: str) -> ModelSide:
    corpus = ctx.inputs[f"shard-{side}"]
    modality = corpus.read_json("corpus.json")["modality"]
    transform = load_transform(ctx.inputs["aligner"], side)
    rows = Embeddings.read(ctx.inputs[f"encode-{side}"])
    titles, thumbnails = describe(corpus, modality)
    return ModelSide(
        modality=modality,
        encoder=ctx.inputs[f"encode-{side}"].read_json("encoder.json")["encoder"],
        transform=transform,
        index=Embeddings(rows.ids, transform(rows.vectors)),
        titles=titles,
        thumbnails=thumbnails,
    )


def describe(corpus: Folder, modality: str) -> tuple[dict[str, str], dict[str, bytes]]:
    """Title of every row, and thumbnails of pictures if the corpus is small."""
    titles: dict[str, str] = {}
    thumbnails: dict[str, bytes] = {}
    small = corpus.read_json("corpus.json")["rows"] <= MAX_THUMBNAILS
    for table in corpus.iter_tables("shards"):
        titles.update(zip(table["id"].to_pylist(), _title_column(table), strict=True))
        if modality == "image" and small:
            thumbnails.update(
                (i, thumbnail(b)) for i, b in zip(table["id"].to_pylist(), table["image"].to_pylist(), strict=True)
            )
    return titles, thumbnails


def thumbnail(data: bytes, size: int = THUMBNAIL_PX) -> bytes:
    """A PNG of at most ``size`` x ``size`` pixels."""
    from components.corpora.images import decode_rgb

    image = decode_rgb(data)
    image.thumbnail((size, size))
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _title_column(table: pa.Table) -> list[str]:
    ids = table["id"].to_pylist()
    for column in ("title", "text"):
        if column in table.column_names:
            values = table[column].to_pylist()
            return [str(v)[:200] if v else i for v, i in zip(values, ids, strict=True)]
    return ids
