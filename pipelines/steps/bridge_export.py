"""Step ``export`` of ``bridge``: two spaces and what joins them, as one folder that can be searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.bridge_model import BridgeModel, write_card
from components.bridging.fitted import FittedCritics
from components.bridging.prepared import PreparedBridge, prepare
from components.corpora.triples import EDGES, Triples
from components.embeddings import Embeddings
from components.evaluation.controls import NONE
from components.model import ModelSide, SharedSpace
from pipelines.steps.bridge_rows import SIDE_OF, read_critics, read_rows
from pipelines.steps.bridge_space import MODEL
from pipelines.steps.export import describe, model_views

FOLDER = "bridge"
ENDS = {"ab": {"left": "a", "right": "b_first"}, "bc": {"left": "b_second", "right": "c"}}


def run(ctx: StepContext) -> Facts:
    """Write ``bridge/``: see :mod:`components.bridge_model`. All rows can be found, and all of B may be the bridge.

    config: ``name``, ``names``, ``estimator``, ``bridge``, ``seed``. inputs: ``evaluate`` (what was chosen), ``pairs``,
    ``critics-*``, the rows and, unless the bridge is of two spaces, ``shard-*``.
    """
    metrics = ctx.inputs["evaluate"].read_json("metrics.json")
    chosen = metrics["exported"]
    fitted = read_critics(ctx.inputs[f"critics-{chosen['way']}"])[NONE, 0]
    prepared = _bridge(ctx, fitted)
    details = metrics["ways"][chosen["way"]]["details"].get(chosen["estimator"], {})
    about = {
        "name": ctx.config["name"],
        "names": ctx.config["names"],
        "way": chosen["way"],
        **settled(chosen["estimator"], ctx.config["bridge"], details, seed=ctx.config["seed"]),
        "metrics": metrics["retrieval"].get(chosen["method"], {}),
        "pairs": metrics["pairs"],
    }
    out = ctx.out.sub(FOLDER)
    if "space-ab" in ctx.inputs:
        for edge in EDGES:
            ctx.inputs[f"space-{edge}"].sub(MODEL).copy_to(out.sub(edge))
        write_card(out, prepared, about)
    else:
        _save_spaces(ctx, fitted, prepared, about)
    return {"bridge": len(prepared.bridge), "method": chosen["method"]}


def settled(estimator: str, bridge: Mapping[str, Any], details: Mapping[str, Any], *, seed: int) -> dict[str, Any]:
    """Estimator and options of the model: one query cannot choose again what was chosen on many, and no two queries may
    be scored by different ones. ``details``: of the estimator on the A–C rows that were scored here."""
    bandwidth = details.get("bandwidth") if bridge["bandwidth"] is None else bridge["bandwidth"]
    options = {"memory_budget": int(bridge["memory_mb"]) << 20, "ess_floor": bridge["ess_floor"], "seed": seed}
    return {
        "estimator": details.get("chosen", estimator),
        "options": {**options, "top": bridge["top"], "bandwidth": bandwidth},
    }


def _bridge(ctx: StepContext, fitted: FittedCritics) -> PreparedBridge:
    """Of all items of B: what had to stay out for the sake of the evaluation is wanted here."""
    triples, rows, bridge = Triples.read(ctx.inputs["pairs"]), read_rows(ctx.inputs), ctx.config["bridge"]
    kept = set(triples.bridge)
    both = sorted((set(rows["b_first"].ids) & set(rows["b_second"].ids)) - kept)
    ids = [*triples.bridge, *both][: bridge["size"]]
    unpaired = triples.unpaired if bridge["balance"] else None
    return prepare(fitted, rows, sorted(ids), unpaired, seed=int(ctx.config["seed"]))


def _save_spaces(ctx: StepContext, fitted: FittedCritics, prepared: PreparedBridge, about: dict[str, Any]) -> None:
    rows, out = read_rows(ctx.inputs), ctx.out.sub(FOLDER)
    described: dict[str, Any] = {}
    spaces: dict[Any, SharedSpace] = {}
    for edge, ends in ENDS.items():
        sides: dict[Any, ModelSide] = {}
        for end, name in ends.items():
            side = SIDE_OF[name]
            shard, encoded = ctx.inputs[f"shard-{side}"], ctx.inputs[f"encode-{side}"]
            modality = shard.read_json("corpus.json")["modality"]
            if side not in described:
                described[side] = describe(shard, modality)
            encoded.sub("trained").copy_to(out.sub(f"{edge}/trained"))
            titles, thumbnails = described[side]
            mapped = np.asarray(fitted.rows(name, rows[name].vectors), np.float32)
            sides[end] = ModelSide(
                modality=modality,
                views=model_views(encoded),
                transform=fitted.maps[name],
                index=Embeddings(rows[name].ids, mapped),
                titles=titles,
                thumbnails=thumbnails,
            )
        spaces[edge] = SharedSpace(sides, {"name": f"{about['name']}, {edge}", "aligner": about["way"]})
    BridgeModel(spaces, prepared, about).save(out)
