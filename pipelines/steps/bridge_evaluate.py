"""Step ``evaluate`` of ``bridge``: every way and estimator beside oracle, chance and controls; what to export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.workflow.step import Facts, StepContext
from components.bridging.auto import rank_agreement
from components.bridging.fitted import FittedCritics
from components.corpora.triples import Triples
from components.evaluation.controls import NONE
from components.evaluation.intervals import t_interval
from components.evaluation.retrieval import RANKS_SCHEMA, recall_at
from components.evaluation.summary import DIRECTIONS, UNITS, tabulate
from components.evaluation.trials import PRIMARY
from components.files import Folder
from pipelines.steps.bank import folders_of
from pipelines.steps.bridge_rows import read_critics
from pipelines.steps.bridge_score import ABOUT, FOUND, QUERIES, RANKS, SCORES
from pipelines.steps.bridge_truth import read_truth
from pipelines.steps.evaluate import csv_bytes

BINS = 4
ORACLE = "oracle"


def run(ctx: StepContext) -> Facts:
    """Write ``metrics.json`` (what ``--metrics-out`` copies) and ``recall_at_k.csv``.

    config: ``export`` (a way or auto), ``estimator``, ``names``, ``seed``. inputs: ``pairs``, ``oracle``, ``score-*``,
    ``critics-*``. locations: ``truth``, if known.
    """
    triples = Triples.read(ctx.inputs["pairs"])
    scores, critics = folders_of(ctx.inputs, "score-"), folders_of(ctx.inputs, "critics-")
    fits = {way: read_critics(folder)[NONE, 0] for way, folder in critics.items()}
    about = {way: folder.read_json(ABOUT) for way, folder in scores.items()}
    ranks = {way: folder.read_table(RANKS) for way, folder in scores.items()}
    by_method = {method_key(m, w): table for w, t in ranks.items() for m, table in _by_method(t).items()}
    oracle = ctx.inputs["oracle"].read_table("ranks.parquet")
    tables = None
    if by_method:
        known = by_method | ({ORACLE: oracle} if len(oracle) else {})
        tables = tabulate(known, PRIMARY, seed=int(ctx.config["seed"]))
        ctx.out.write_bytes("recall_at_k.csv", csv_bytes(tables.curves))
    exported = _exported(ctx.config, fits, about)
    metrics = {
        "units": UNITS,
        "names": ctx.config["names"],
        "primary_split": PRIMARY,
        "retrieval": tables.retrieval if tables else {},
        "controls": tables.controls if tables else {},
        "pairs": triples.numbers() | {"heldout_from": triples.heldout_from},
        "exported": exported,
        "ways": {way: _way(fits[way], about[way]) for way in fits},
        "curve": [row for way in about for row in _curve(way, about[way]["curve"])],
        "ambiguity": [row for way in scores for row in _ambiguity(way, scores[way].read_table(QUERIES), ranks[way])],
        "truth": _truth(ctx, triples, scores),
        "warnings": triples.warnings,
    }
    ctx.out.write_json("metrics.json", metrics)
    if exported["why"]:
        ctx.note(exported["why"])
    return _facts(metrics)


def method_key(method: str, way: str) -> str:
    """What a way and an estimator are called in tables."""
    return f"{method} ({way})"


def _by_method(ranks: pa.Table) -> dict[str, pa.Table]:
    names = np.asarray(ranks["method"].to_pylist(), dtype=object)
    return {m: ranks.filter(pa.array(names == m)).select(RANKS_SCHEMA.names) for m in dict.fromkeys(names)}


def _exported(config: Mapping[str, Any], fits: Mapping[str, FittedCritics], about: Mapping[str, Any]) -> dict[str, Any]:
    """Chosen by the known pairs alone."""
    way, why = config["export"], ""
    if len(fits) == 1 or way == "auto":
        ordered = sorted(fits, key=lambda w: fits[w].loss)
        way = ordered[0]
        if len(fits) > 1:
            told = ", ".join(f"{w} {fits[w].loss:.2f}" for w in ordered)
            why = f"{way} critics are exported: known pairs out of fold cost least under them ({told} nats over chance)"
    method = config["estimator"]
    if method not in about[way]["ess"]:
        method = next(iter(about[way]["ess"]))
    return {"way": way, "estimator": method, "method": method_key(method, way), "why": why}


def _way(fitted: FittedCritics, about: Mapping[str, Any]) -> dict[str, Any]:
    return {"edges": dict(fitted.edges), "loss": fitted.loss, **{k: v for k, v in about.items() if k != "curve"}}


def _curve(way: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over draws with intervals."""
    found: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        found.setdefault((row["method"], row["size"]), []).append(row["recall"])
    return [{"way": way, "method": m, "size": size, **_interval(values)} for (m, size), values in sorted(found.items())]


def _interval(values: list[float]) -> dict[str, float]:
    found = t_interval(np.array(values), bounds=(0, 100))
    return {"recall": found.mean, "low": found.low, "high": found.high}


def _ambiguity(way: str, queries: pa.Table, ranks: pa.Table) -> list[dict[str, Any]]:
    """R@10 by quarters of the queries' ambiguity, each direction; intervals over draws."""
    keys = ("draw", "direction", "query")
    ambiguity = {tuple(row[k] for k in keys): row["ambiguity"] for row in queries.to_pylist()}
    rows = [r for r in ranks.to_pylist() if r["control"] == NONE]
    found = []
    for direction in DIRECTIONS if rows else ():
        values = np.array([v for (_, d, _), v in ambiguity.items() if d == direction])
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        cells: dict[tuple[str, int], dict[int, list[float]]] = {}
        for row in (r for r in rows if r["direction"] == direction):
            place = int(np.searchsorted(edges, ambiguity[tuple(row[k] for k in keys)]))
            cells.setdefault((row["method"], place), {}).setdefault(row["draw"], []).append(row["rank"])
        middles = [float(np.median(values[np.searchsorted(edges, values) == n])) for n in range(BINS)]
        for (method, place), draws in sorted(cells.items()):
            recalls = _interval([recall_at(np.array(r), FOUND) for r in draws.values()])
            found.append({"way": way, "method": method, "direction": direction, "ambiguity": middles[place], **recalls})
    return found


def _truth(ctx: StepContext, triples: Triples, scores: Mapping[str, Folder]) -> dict[str, float] | None:
    """Rank correlation with the true log ratio within queries, by method."""
    if "truth" not in ctx.locations:
        return None
    truth = read_truth(ctx.locations["truth"], triples.heldout)
    return {
        method_key(method, way): rank_agreement(values, truth)
        for way, folder in scores.items()
        for method, values in folder.read_tensors(SCORES).items()
    }


def _facts(metrics: Mapping[str, Any]) -> Facts:
    names = ("R@1", "R@10", "foscttm")
    facts = {f"{n}.{method}": entry["mean"][n] for method, entry in metrics["retrieval"].items() for n in names}
    for control, methods in metrics["controls"].items():
        facts |= {f"R@10.{method}.{control}": entry["mean"]["R@10"] for method, entry in methods.items()}
    return {**facts, "exported": metrics["exported"]["method"]}
