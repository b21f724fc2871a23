"""Step ``report`` of the encoder pipelines: one page, the figures as PNG, SVG and CSV, and all numbers as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from cluster.workflow.step import Facts, StepContext
from components.pretraining.artifact import ABOUT
from components.pretraining.rows import Rows
from components.reporting.encoder_data import EncoderData
from components.reporting.encoder_page import render_encoder
from pipelines.steps.train_encoder import DIAGNOSIS, ENCODER


def run(ctx: StepContext) -> Facts:
    """Write ``report.html``, ``figures/`` and ``metrics.json``. inputs: ``shards``, ``rows``, ``train``, ``probe``."""
    data = gather(ctx)
    report = render_encoder(data)
    for name, content in report.files().items():
        ctx.out.write_bytes(name, content)
    metrics = {"probes": data.probes, "history": [dict(h) for h in data.history], "best_epoch": data.best_epoch}
    ctx.out.write_json("metrics.json", metrics | {"rows": dict(data.rows), "dim": data.dim, "notes": list(data.notes)})
    return {"headline": report.headline, "figures": len(report.figures), "html_bytes": len(report.html)}


def gather(ctx: StepContext) -> EncoderData:
    """Read the inputs' files into :class:`EncoderData`."""
    train, rows = ctx.inputs["train"], Rows(ctx.inputs["rows"])
    training, about = train.read_json("training.json"), train.read_json(f"{ENCODER}/{ABOUT}")
    arrays = train.read_tensors(DIAGNOSIS) if train.exists(DIAGNOSIS) else {}
    probes = ctx.inputs["probe"].read_json("probe.json")
    recipe = ctx.options.get("recipe", {})
    counts = {name: int((rows.split == name).sum()) for name in ("train", "valid", "test")}
    return EncoderData(
        name=ctx.config["name"],
        modality=rows.modality,
        objective=about["about"]["objective"]["name"],
        corpus=ctx.inputs["shards"].read_json("corpus.json"),
        rows=counts,
        history=training["history"],
        best_epoch=training["best_epoch"],
        dim=training["dim"],
        parameters=training["parameters"],
        probes=probes,
        plan=arrays.get("plan"),
        plan_classes=arrays.get("classes"),
        gates=arrays.get("gates"),
        classes=about["about"]["classes"],
        notes=_notes(training, probes, counts, recipe),
        recipe=yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True) if recipe else "",
    )


def _notes(
    training: Mapping[str, Any], probes: Mapping[str, Any], rows: Mapping[str, int], recipe: Mapping[str, Any]
) -> list[str]:
    notes = []
    if training["classes"] and training["unlabelled"]:
        which = f"{training['unlabelled']} of {rows['train']} training rows have no class with a second member"
        notes.append(f"{which}: objectives that learn from labels and the probes leave them out")
    if recipe.get("labels") == "kmeans":
        notes.append("The classes are clusters: a probe of them says how well clusters are kept, not what is in them")
    if probes["trained"]["effective_rank"] < 2 <= probes["untrained"]["effective_rank"]:
        notes.append("The features have collapsed to less than two dimensions: this encoder is of no use")
    return notes
