"""Step ``report`` of ``bridge``: one page, its figures as files, and the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from cluster.workflow.step import Facts, StepContext
from components.corpora.triples import SIDES, Triples
from components.model import SharedSpace
from components.reporting import intake
from components.reporting.bridge_data import BridgeData
from components.reporting.bridge_page import render_bridge
from components.reporting.data import Item, Query, ReportData, Side
from components.reporting.examples import Asked, pick_queries
from pipelines.steps.bridge_score import SCORES
from pipelines.steps.bridge_space import MODEL
from pipelines.steps.report import Corpus


def run(ctx: StepContext) -> Facts:
    """Write ``report.html``, ``figures/``, ``tables/`` and ``metrics.json``.

    inputs: ``evaluate``, ``pairs``, ``score-*``; of the sides ``shard-*`` and ``encode-*``, or ``space-*``.
    """
    page = render_bridge(gather(ctx))
    for name, data in page.files().items():
        ctx.out.write_bytes(name, data)
    ctx.out.write_bytes("metrics.json", ctx.inputs["evaluate"].read_bytes("metrics.json"))
    return {"headline": page.headline, "figures": len(page.figures), "html_bytes": len(page.html)}


def gather(ctx: StepContext) -> BridgeData:
    """Read the inputs' files into :class:`BridgeData`."""
    metrics = ctx.inputs["evaluate"].read_json("metrics.json")
    names, chosen, recipe = metrics["names"], metrics["exported"], ctx.options.get("recipe", {})
    triples = Triples.read(ctx.inputs["pairs"])
    sides = {side: _side(ctx, side, names[side]) for side in SIDES}
    notes = [*metrics["warnings"], *metrics["ways"][chosen["way"]]["warnings"]]
    report = ReportData(
        title=f"Isthmus: {ctx.config['name']}",
        left=sides["a"],
        right=sides["c"],
        num_pairs=metrics["pairs"]["ab"],
        exported=chosen["method"],
        retrieval={"random": intake.scores(_narrow(metrics["retrieval"]) or {chosen["method"]: {}})},
        controls=intake.controls(metrics),
        queries=_examples(ctx, triples, chosen) if metrics["retrieval"] else {},
        notes=notes,
    )
    return BridgeData(
        report=report,
        names=names,
        pairs=metrics["pairs"] | {"bridge": metrics["ways"][chosen["way"]]["bridge"]},
        way=chosen["way"],
        estimator=chosen["estimator"],
        ways=metrics["ways"],
        curve=metrics["curve"],
        ambiguity=metrics["ambiguity"],
        truth=metrics["truth"],
        recipe=yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True) if recipe else "",
    )


def _narrow(retrieval: Mapping[str, Any]) -> dict[str, Any]:
    """Without R@5: three groups of five columns do not fit the page beside names of ways and estimators."""
    return {
        method: {d: {k: v for k, v in entry.items() if k != "R@5"} for d, entry in directions.items()}
        for method, directions in retrieval.items()
    }


def _side(ctx: StepContext, side: str, name: str) -> Side:
    if f"shard-{side}" not in ctx.inputs:
        return Side(name=name, modality="", called=name)
    about, encoder = ctx.inputs[f"shard-{side}"].read_json("corpus.json"), ctx.inputs[f"encode-{side}"]
    made = intake.side(name, about, encoder.read_json("encoder.json"))
    return Side(**{**vars(made), "called": name})


def _examples(ctx: StepContext, triples: Triples, chosen: Mapping[str, str]) -> dict[str, list[Query]]:
    scores = ctx.inputs[f"score-{chosen['way']}"].read_tensors(SCORES)[chosen["estimator"]]
    a, c = ([p[n] for p in triples.heldout] for n in (0, 1))
    items: dict[str, Any] = {"a": _items(ctx, "a", a), "c": _items(ctx, "c", c)}
    forth = Asked(
        scores=scores, query_ids=a, gallery_ids=c, query=items["a"].__getitem__, answer=items["c"].__getitem__
    )
    back = Asked(
        scores=np.ascontiguousarray(scores.T),
        query_ids=c,
        gallery_ids=a,
        query=items["c"].__getitem__,
        answer=items["a"].__getitem__,
    )
    return {"right_to_left": pick_queries(back), "left_to_right": pick_queries(forth)}


def _items(ctx: StepContext, side: str, ids: list[str]) -> dict[str, Item]:
    """What a reader sees of these rows; of a space the titles and thumbnails of its model."""
    if f"shard-{side}" in ctx.inputs:
        return Corpus(ctx.inputs[f"shard-{side}"], ids).items
    edge, end = {"a": ("ab", "left"), "c": ("bc", "right")}[side]
    part = SharedSpace.load(ctx.inputs[f"space-{edge}"].sub(MODEL)).sides[end]  # type: ignore[index]
    return {i: Item(id=i, title=part.titles.get(i, i), image=part.thumbnails.get(i)) for i in ids}
