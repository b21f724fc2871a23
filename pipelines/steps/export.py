"""Step ``export``: the aligner's primary maps and both indexes as one model folder."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from cluster.workflow.step import Facts, StepContext
from components.embeddings import Embeddings
from components.encoders.registry import TRAINED, fingerprint
from components.files import Folder
from components.judge import Judge
from components.model import ModelSide, SharedSpace
from components.model_views import ModelView
from components.reporting.model_card import card_markdown
from components.reporting.thumbnails import thumbnail
from components.transforms import load_transform
from pipelines.steps.bank import folders_of
from pipelines.steps.card import card_of

MAX_THUMBNAILS = 20_000


def run(ctx: StepContext) -> Facts:
    """Write ``model/``: see :mod:`components.model`, and its card as ``README.md`` and ``card.json``.

    All rows of both corpora can be found, held-out ones too.
    """
    sides: dict[Any, ModelSide] = {side: _side(ctx, side) for side in ("left", "right")}
    about = {
        "name": ctx.config["name"],
        "aligner": ctx.config["aligner"],
        "metrics": ctx.inputs["evaluate"].read_json("metrics.json")["retrieval"].get(ctx.config["aligner"], {}),
        "pairs": ctx.inputs["evaluate"].read_json("metrics.json").get("pairs", {}),
    }
    model = SharedSpace(sides, about, judge=Judge.read(ctx.inputs["confidence"]))
    for side in sides:
        ctx.inputs[f"encode-{side}"].sub("trained").copy_to(ctx.out.sub("model/trained"))
    card = card_of(ctx, model)
    ctx.out.write_json("model/card.json", card)
    ctx.out.write_bytes("model/README.md", card_markdown(card).encode())
    model.save(ctx.out.sub("model"))
    return {f"{name}_rows": len(side.index) for name, side in sides.items()} | {"aligner": ctx.config["aligner"]}


def _side(ctx: StepContext, side: str) -> ModelSide:
    corpus = ctx.inputs[f"shard-{side}"]
    modality = corpus.read_json("corpus.json")["modality"]
    transform = load_transform(folders_of(ctx.inputs, "method:")[ctx.config["aligner"]], side)
    rows = Embeddings.read(ctx.inputs[f"encode-{side}"])
    titles, thumbnails = describe(corpus, modality)
    return ModelSide(
        modality=modality,
        views=model_views(ctx.inputs[f"encode-{side}"]),
        transform=transform,
        index=Embeddings(rows.ids, transform(rows.vectors)),
        titles=titles,
        thumbnails=thumbnails,
    )


def model_views(encoded: Folder) -> tuple[ModelView, ...]:
    """The views of a side from the step that encoded it."""
    about = encoded.read_json("encoder.json")
    views = about.get("views") or [{"encoder": about["encoder"], "column": "", "dim": about["dim"]}]
    return tuple(
        ModelView(encoder=v["encoder"], column=v["column"], dim=v["dim"], fingerprint=_fingerprint(v["encoder"]))
        for v in views
    )


def _fingerprint(encoder: str) -> str:
    """Empty for given embeddings, and for an encoder of our own, of which the model has a copy."""
    return "" if encoder == "given" or encoder.startswith(TRAINED) else fingerprint(encoder)


def describe(corpus: Folder, modality: str) -> tuple[dict[str, str], dict[str, bytes]]:
    """Title of every row, and thumbnails of pictures if the corpus is small."""
    titles: dict[str, str] = {}
    thumbnails: dict[str, bytes] = {}
    small = corpus.read_json("corpus.json")["rows"] <= MAX_THUMBNAILS
    for table in corpus.iter_tables("shards"):
        titles.update(zip(_column(table, "id"), _title_column(table), strict=True))
        if modality == "image" and small:
            small_ones = ((i, thumbnail(b)) for i, b in zip(_column(table, "id"), _column(table, "image"), strict=True))
            thumbnails.update((i, t) for i, t in small_ones if t)
    return titles, thumbnails


def _column(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table[name].to_pylist()
    return values


def _title_column(table: pa.Table) -> list[str]:
    ids = _column(table, "id")
    for column in ("title", "text"):
        if column in table.column_names:
            texts = [_column(table, c) for c in table.column_names if c == column or c.startswith("text:")]
            return [next((str(v)[:200] for v in row if v), i) for *row, i in zip(*texts, ids, strict=True)]
    return ids
