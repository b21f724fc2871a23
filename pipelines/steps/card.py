"""The card of an exported model, from what the other steps left."""

from __future__ import annotations

from typing import Any

import numpy as np

from cluster.workflow.manifest import MANIFEST, Manifest
from cluster.workflow.step import StepContext
from components.evaluation.hubs import hubs
from components.model import SharedSpace, Side
from components.reporting.model_card import Card, make_card

MAX_QUERIES = 2000
_OTHER: dict[Side, Side] = {"left": "right", "right": "left"}


def card_of(ctx: StepContext, space: SharedSpace) -> Card:
    """The card of ``space``. inputs: those of the step ``export``."""
    return make_card(
        name=ctx.config["name"],
        aligner=ctx.config["aligner"],
        sides={name: _side(ctx, space, name) for name in space.sides},
        metrics=ctx.inputs["evaluate"].read_json("metrics.json"),
        hubs={f"{side}_to_{other}": _hubs(space, side, other) for side, other in _OTHER.items()},
    )


def _side(ctx: StepContext, space: SharedSpace, name: Side) -> dict[str, Any]:
    corpus = ctx.inputs[f"shard-{name}"]
    about, encoder = corpus.read_json("corpus.json"), ctx.inputs[f"encode-{name}"].read_json("encoder.json")
    versions = {view.encoder: view.fingerprint for view in space.sides[name].views}
    keep = ("encoder", "column", "licence", "missing")
    encoders = [{k: v[k] for k in keep if k in v} for v in encoder.get("views") or [encoder]]
    return {
        "modality": space.sides[name].modality,
        "rows": len(space.sides[name].index),
        "digest": Manifest.from_bytes(corpus.read_bytes(MANIFEST)).digest,
        "licences": [str(licence) for licence in about.get("licences") or ()],
        "encoders": [{**e, "fingerprint": versions.get(e["encoder"], "")} for e in encoders],
        "quarantined": about.get("quarantined", 0),
        "index": space.index(name).facts.to_json(),
    }


def _hubs(space: SharedSpace, side: Side, other: Side) -> dict[str, Any]:
    """Of a sample of the rows without a known partner, asked among such rows."""
    asked, found = space.gallery(side), space.gallery(other)
    rows = np.flatnonzero(asked.free)
    if len(rows) > MAX_QUERIES:
        rows = np.random.default_rng(0).choice(rows, MAX_QUERIES, replace=False)
    best = [places[found.free[places]][:1] for places, _ in (found.top(asked.index.vectors[r], 200) for r in rows)]
    matches = np.concatenate([np.zeros(0, np.int64), *best])
    return hubs(matches, len(space.sides[other].index), seed=0).to_json()
