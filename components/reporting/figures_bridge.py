"""Figures of a bridge: recall by estimator against the bridge's size, and against how ambiguous the query is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.reporting.bridge_data import ORACLE, BridgeData
from components.reporting.data import CHANCE, LEFT_TO_RIGHT, MEAN, RIGHT_TO_LEFT
from components.reporting.style import (
    BLUE,
    DASHES,
    DASHES_OF_CHANCE,
    GREY,
    INK,
    PALETTE,
    Figure,
    csv_text,
    drawing,
    finish,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRIC = "R@10"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def recall_by_size(data: BridgeData) -> Figure | None:
    """R@10 against the number of bridge items, by way and estimator, with the oracle and chance as lines."""
    if not data.curve:
        return None
    series = _series(data.curve)
    with drawing(8.4, 4.1) as (canvas, (axes,)):
        for number, (key, rows) in enumerate(_ordered(series, data)):
            _line(axes, [r["size"] for r in rows], rows, label=_label(key), own=key == _own(data), number=number)
        _lines_of_reference(axes, data)
        sizes = sorted({r["size"] for r in data.curve})
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{s:,}" for s in sizes])
        axes.minorticks_off()
        axes.set_xlabel(f"items of {words(data.names['b'])} in the bridge")
        axes.set_ylabel(f"{METRIC}, percent (mean of both directions)")
        axes.set_ylim(bottom=0)
        canvas.legend(*axes.get_legend_handles_labels(), loc="outside right center")
        best = max(data.curve, key=lambda r: r["recall"])
        return finish(
            canvas,
            name="bridge-size",
            title="How large the bridge has to be",
            caption="Each bridge is the beginning of the next one. Bands: 95 % intervals over draws of the pairs."
            " The oracle was given pairs across, the bridge never.",
            alt=f"{METRIC} against the bridge's size for {len(series)} methods; best {best['recall']:.1f} % with"
            f" {best['size']} items ({_label((best['way'], best['method']))}).",
            table=csv_text(["way", "estimator", "items", METRIC, "low", "high"], _rows(data.curve, "size")),
        )


def recall_by_ambiguity(data: BridgeData) -> Figure | None:
    """R@10 of quarters of the queries, from those with one meaning in B to those with many; both directions."""
    mine = [r for r in data.ambiguity if r["way"] == data.way]
    directions = list(dict.fromkeys(r["direction"] for r in mine))
    if not directions:
        return None
    titles = {LEFT_TO_RIGHT: ("a", "c"), RIGHT_TO_LEFT: ("c", "a")}
    methods = list(dict.fromkeys(r["method"] for r in mine))
    methods.sort(key=lambda m: m != data.estimator)
    with drawing(8.4, 3.9, len(directions), sharey=True) as (canvas, panels):
        for panel, direction in zip(panels, directions, strict=True):
            for number, method in enumerate(methods):
                rows = [r for r in mine if (r["direction"], r["method"]) == (direction, method)]
                rows.sort(key=lambda r: r["ambiguity"])
                own = method == data.estimator
                _line(panel, [r["ambiguity"] for r in rows], rows, label=words(method), own=own, number=number)
            asked, found = (words(data.names[s]) for s in titles[direction])
            panel.set_title(f"{asked} → {found}")
            panel.set_xlabel(f"items of {words(data.names['b'])} that the {asked} query may mean")
            panel.set_ylim(bottom=0)
        panels[0].set_ylabel(f"{METRIC}, percent")
        canvas.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
        return finish(
            canvas,
            name="ambiguity",
            title="How ambiguous a query may be",
            caption=f"Queries in four equal parts by the number of items of {words(data.names['b'])} they may mean"
            f" (exp of the entropy of the critic's posterior over the bridge); {words(data.way)} critics. Bands: 95 %"
            " intervals over draws.",
            alt=f"{METRIC} of four parts of the queries, from the least to the most ambiguous, for {len(methods)}"
            " estimators.",
            table=csv_text(
                ["way", "estimator", "direction", "ambiguity", METRIC, "low", "high"],
                _rows(data.ambiguity, "direction", "ambiguity"),
            ),
        )


def _line(
    axes: Axes, x: Sequence[float], rows: Sequence[Mapping[str, Any]], *, label: str, own: bool, number: int
) -> None:
    colour = BLUE if own else PALETTE[number % len(PALETTE)]
    axes.plot(
        x,
        [r["recall"] for r in rows],
        color=colour,
        marker=_MARKERS[number % len(_MARKERS)],
        ms=5,
        lw=2.4 if own else 1.5,
        dashes=DASHES[number % len(DASHES)],
        label=f"{label} *" if own else label,
        zorder=3 if own else 2,
    )
    axes.fill_between(x, [r["low"] for r in rows], [r["high"] for r in rows], color=colour, alpha=0.12, lw=0)


def _lines_of_reference(axes: Axes, data: BridgeData) -> None:
    """Oracle and chance, where they were measured."""
    known = data.report.retrieval.get(data.report.primary or next(iter(data.report.retrieval)), {})
    for method, label, colour in ((ORACLE, "oracle", INK), (CHANCE, "chance", GREY)):
        score = known.get(method, {}).get(MEAN)
        if score is not None:
            axes.axhline(score.values[METRIC], lw=1.3, dashes=DASHES_OF_CHANCE, label=label, color=colour)


def _series(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: r["size"]):
        found.setdefault((row["way"], row["method"]), []).append(row)
    return found


def _ordered(
    series: Mapping[tuple[str, str], list[Mapping[str, Any]]], data: BridgeData
) -> list[tuple[tuple[str, str], list[Mapping[str, Any]]]]:
    """The exported one first, then by recall at the largest bridge."""
    return sorted(series.items(), key=lambda kv: (kv[0] != _own(data), -kv[1][-1]["recall"]))


def _own(data: BridgeData) -> tuple[str, str]:
    return data.way, data.estimator


def _label(key: tuple[str, str]) -> str:
    return f"{words(key[1])} ({words(key[0])})"


def _rows(rows: Sequence[Mapping[str, Any]], *x: str) -> list[tuple[Any, ...]]:
    return [tuple(r[name] for name in ("way", "method", *x, "recall", "low", "high")) for r in rows]
