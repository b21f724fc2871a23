"""The page about a bridge. As safe as :mod:`components.reporting.page`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.reporting.bridge_data import ORACLE, SHUFFLED, BridgeData
from components.reporting.data import CHANCE, LEFT_TO_RIGHT, MEAN, RIGHT_TO_LEFT, Score
from components.reporting.figures_bridge import METRIC, recall_by_ambiguity, recall_by_size
from components.reporting.headline import of_100
from components.reporting.names import plural
from components.reporting.page import Report, environment, queries_shown, shown, table_shown
from components.reporting.tables import control_table, retrieval_table

EDGES = ("ab", "bc")
WAYS = {
    "aligned": "Aligners of this project on the pairs of each edge, with scales calibrated out of fold",
    "shared": "Heads trained by InfoNCE on both edges, one encoder of B",
    "separate": "Heads trained by InfoNCE, each edge by itself: two spaces that know nothing of each other",
    "spaces": "Two spaces made by align",
}


def render_bridge(data: BridgeData) -> Report:
    """Draw all figures for which there is data and write the page. The same data gives the same bytes."""
    figures = {f.name: f for f in (recall_by_size(data), recall_by_ambiguity(data)) if f is not None}
    tables = {}
    if data.judged:
        tables["retrieval"] = retrieval_table(data.report, next(iter(data.report.retrieval)))
    if data.report.controls:
        tables["controls"] = control_table(data.report, METRIC)
    html = (
        environment()
        .get_template("bridge_page.html.j2")
        .render(
            data=data,
            headline=headline(data),
            findings=findings(data),
            tiles=_tiles(data),
            figures={name: shown(figure) for name, figure in figures.items()},
            tables={name: table_shown(table) for name, table in tables.items()},
            queries=queries_shown(data.report) if data.judged else [],
            ways=[(way, WAYS.get(way, way), _edges(data, way), _unpaired(data, way)) for way in data.ways],
            truth=sorted((data.truth or {}).items(), key=lambda kv: -kv[1]),
        )
    )
    csv = {name: table.csv for name, table in tables.items()}
    return Report(html=html, headline=headline(data), figures=figures, tables=csv)


def headline(data: BridgeData) -> str:
    """``With 100 image–en and 100 en–ja pairs and none across, 24 of 100 ja queries find …``"""
    a, b, c = (data.names[s] for s in "abc")
    if data.pairs.get("ab"):
        known = f"With {data.pairs['ab']} {a}–{b} and {data.pairs['bc']} {b}–{c} pairs and none across,"
    else:
        known = f"Through {b}, with two spaces that were aligned apart,"
    score = _score(data, data.report.exported, RIGHT_TO_LEFT)
    if score is None:
        return f"{known} {a} and {c} can be searched with each other; no pair says how well."
    chance, oracle = (_score(data, m, RIGHT_TO_LEFT) for m in (CHANCE, ORACLE))
    beside = [f"chance: {of_100(chance.values[METRIC])}"] if chance else []
    if oracle:
        beside.append(f"{data.pairs['oracle']} real pairs across give {of_100(oracle.values[METRIC])}")
    found = f"{of_100(score.values[METRIC])} of 100 {c} queries find their {a} among the first 10 of {score.gallery:,}"
    return f"{known} {found} ({'; '.join(beside)})."


def findings(data: BridgeData) -> list[str]:
    """The way back, the share of the oracle, the control, what was chosen."""
    told = []
    back, own = (_score(data, data.report.exported, d) for d in (LEFT_TO_RIGHT, MEAN))
    if back is not None:
        asked, found = data.names["a"], data.names["c"]
        told.append(f"The other way round, {of_100(back.values[METRIC])} of 100 {asked} queries find their {found}.")
    oracle = _score(data, ORACLE, MEAN)
    if oracle and own:
        mine, best = own.values[METRIC], oracle.values[METRIC]
        told.append(
            f"That is {mine / max(best, 1e-9):.2f} of the {METRIC} of an oracle fitted on {data.pairs['oracle']} pairs"
            f" across (mean of both directions: {mine:.1f} against {best:.1f} %)."
        )
    control = data.report.controls.get(SHUFFLED, {}).get(data.report.exported, {}).get(MEAN)
    chance = _score(data, CHANCE, MEAN)
    if control and chance:
        told.append(
            f"With the pairs of {data.names['a']} and {data.names['b']} shuffled it is {control.values[METRIC]:.1f} %"
            f" (chance: {chance.values[METRIC]:.1f} %)."
        )
    return told


def _tiles(data: BridgeData) -> list[tuple[str, str]]:
    names, pairs = data.names, data.pairs
    tiles = [(f"{pairs[edge]}", f"pairs {_edge_name(data, edge)}") for edge in EDGES if pairs[edge]]
    tiles.append((f"{pairs['bridge']:,}", f"items of {names['b']} in the bridge"))
    if data.judged:
        tiles.append((f"{pairs['heldout']:,}", f"pairs {names['a']}–{names['c']}, only asked"))
    return [*tiles, (f"{pairs['draws']}", "draws of the pairs")] if pairs["draws"] > 1 else tiles


def _edge_name(data: BridgeData, edge: str) -> str:
    return "–".join(data.names[side] for side in edge)


def _edges(data: BridgeData, way: str) -> list[tuple[str, ...]]:
    """Rows of the table of edges: name, made by, scale, loss, chance, R@10."""
    rows: list[tuple[str, ...]] = []
    critics = data.ways[way]["critics"]
    for edge in EDGES:
        name = _edge_name(data, edge)
        e = data.ways[way]["edges"].get(edge)
        kind, scale = critics[edge]["kind"], f"{critics[edge]['scale']:.1f}"
        if e is None:
            rows.append((name, "given", kind, scale, "–", "–", "–"))
            continue
        rows.append((name, e["aligner"], kind, scale, f"{e['loss']:.2f}", f"{e['chance']:.2f}", f"{e['recall']:.1f}"))
    return rows


def _unpaired(data: BridgeData, way: str) -> list[tuple[str, str]]:
    """What is known without any pair across: (what, value)."""
    about = data.ways[way]
    rows = [("bridge", plural(about["bridge"], "item"))]
    for method, found in about["ess"].items():
        if found:
            spread = f"{found['5 %']:.1f} / {found['50 %']:.1f} / {found['95 %']:.1f}"
            rows.append((f"effective bridge items, {method} (5 %, median, 95 %)", spread))
    smoothed = about["details"].get("smoothed", {})
    if "bandwidth" in smoothed:
        rows.append(("bandwidth h² chosen for smoothed", f"{smoothed['bandwidth']:g}"))
    rows.append(("KL between two halves of the bridge, nats", f"{about['halves_kl']:.3f}"))
    if about["uncovered"] is not None:
        rows.append(("queries further from the bridge than 95 % of unpaired rows", f"{100 * about['uncovered']:.1f} %"))
    if about["direct_monte_carlo"] is not None:
        rows.append(("rank correlation of direct comparison and Monte Carlo", f"{about['direct_monte_carlo']:.2f}"))
    return rows


def _score(data: BridgeData, method: str, direction: str) -> Score | None:
    known: Mapping[str, Any] = next(iter(data.report.retrieval.values()), {})
    found: Score | None = known.get(method, {}).get(direction)
    return found
