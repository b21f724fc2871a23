"""Figures of what is found: methods side by side, recall curves, and the alignability gauge.

Each function returns None if the report's data has nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from components.reporting.data import CHANCE, DIRECTIONS, MEAN, Curve, Gauge, ReportData, Score
from components.reporting.headline import headline_metric
from components.reporting.names import (
    control_name,
    direction_name,
    gauge_name,
    method_name,
    methods_by_score,
    split_name,
)
from components.reporting.style import (
    BLUE,
    DASHES,
    DASHES_OF_CHANCE,
    FAINT,
    GREY,
    INK,
    MUTED,
    ORANGE,
    PALETTE,
    PAPER,
    Figure,
    csv_text,
    drawing,
    finish,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WEAK, _STRONG = 0.3, 0.5
_CONTROL = "control: "
_SPLIT_LOOKS = (("o", BLUE, BLUE), ("D", PAPER, BLUE), ("v", PAPER, BLUE), ("p", PAPER, BLUE))  # marker, face, edge
_CONTROL_LOOKS = (("s", PAPER, GREY), ("x", GREY, GREY), ("^", PAPER, GREY), ("+", GREY, GREY))


@dataclass(frozen=True)
class _Row:
    """A line of the comparison figure: values by series name."""

    method: str
    series: Mapping[str, Score]


def comparison(data: ReportData) -> Figure | None:
    """Recall of every method on every split, with intervals, and the controls beside them."""
    metric = headline_metric(data)
    methods = [m for m in methods_by_score(data, data.main) if m != CHANCE]
    series = _series(data)
    rows = [_Row(m, {name: s[m] for name, s in series.items() if m in s}) for m in methods]
    if not any(row.series for row in rows):
        return None
    with drawing(8.4, 1.1 + 0.46 * len(rows)) as (canvas, (axes,)):
        _draw_comparison(axes, rows, list(series), metric)
        _mark_chance(axes, data, metric)
        axes.set_xlabel(f"{metric}, percent of queries (mean of both directions)")
        axes.set_yticks(range(len(rows)), [_marked(data, r.method) for r in rows])
        canvas.legend(loc="outside upper left", ncols=min(3, len(series) + 1), handletextpad=0.3, columnspacing=1.4)
        table = csv_text(["method", "series", metric, "low", "high"], _comparison_rows(rows, metric))
        best = rows[0]
        return finish(
            canvas,
            name="comparison",
            title="All methods, all splits, and controls that must fail",
            caption="Bars are 95 % intervals over draws of the known pairs. Controls are the same methods given"
            " wrong pairs or random vectors: they must sit at the dashed line of chance.",
            alt=f"Dot plot of {metric} of {len(rows)} methods; the best is {method_name(best.method)}.",
            table=table,
        )


def recall_curves(data: ReportData) -> Figure | None:
    """Recall at k = 1 … for each direction, methods against each other and against chance."""
    measured = {c.direction for c in data.curves}
    directions = [d for d in DIRECTIONS[:2] if d in measured] or sorted(measured)
    if not directions:
        return None
    order = methods_by_score(data, {c.method for c in data.curves})
    with drawing(4.2 * len(directions) + 1.9, 3.9, len(directions), sharey=True) as (canvas, axes):
        for panel, direction in zip(axes, directions, strict=True):
            for curve in (c for m in order for c in data.curves if (c.method, c.direction) == (m, direction)):
                _draw_curve(panel, data, curve, order.index(curve.method))
            panel.set_title(direction_name(data, direction))
            panel.set_xlabel("k, number of first answers looked at")
            panel.set_xlim(left=1)
            panel.set_ylim(bottom=0)
        axes[0].set_ylabel("recall@k, percent")
        handles, labels = axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside right center")
        rows = ((c.method, c.direction, *p) for c in data.curves for p in _points(c))
        return finish(
            canvas,
            name="recall-curves",
            title="Recall at k",
            caption="Share of held-out queries whose own partner is among the first k answers. Bands: 95 % intervals"
            " over draws of the known pairs.",
            alt=f"Recall curves of {len(order)} methods in {len(directions)} directions; exported: "
            f"{method_name(data.exported)}.",
            table=csv_text(["method", "direction", "k", "recall_percent", "low", "high"], rows),
        )


def gauge_bars(gauge: Gauge | None) -> Figure | None:
    """CKA and mutual nearest neighbours on a scale of 0 to 1, with what shuffled pairs reach."""
    if gauge is None:
        return None
    names = [n for n in ("cka", "mutual_knn") if n in gauge.values] + sorted(set(gauge.values) - {"cka", "mutual_knn"})
    with drawing(8.4, 0.95 + 0.62 * len(names)) as (canvas, (axes,)):
        for row, name in enumerate(names):
            _draw_gauge(axes, gauge, name, row)
        axes.set_yticks(range(len(names)), [words(gauge_name(n)) for n in names])
        axes.set_ylim(len(names) - 0.45, -0.55)
        axes.set_xlim(min(0.0, *gauge.values.values()) - 0.01, 1)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        canvas.legend(loc="outside upper left", ncols=3, handletextpad=0.4)
        return finish(
            canvas,
            name="gauge",
            title="Alignability gauge",
            caption=f"Measured on the known pairs before any fit. CKA above {_STRONG} (second notch): geometry alone"
            f" carries far; below {_WEAK} (first notch): expect no gain from unpaired rows.",
            alt="; ".join(f"{gauge_name(n)} {gauge.values[n]:.2f}" for n in names) + ".",
            table=csv_text(["gauge", "value", "null_mean", "null_sd", "p_value"], _gauge_rows(gauge, names)),
        )


def _series(data: ReportData) -> dict[str, dict[str, Score]]:
    """Series name -> method -> mean score: each split, then each control."""
    named = [(split_name(s), by_method) for s, by_method in data.retrieval.items()]
    named += [(f"{_CONTROL}{control_name(c)}", by_method) for c, by_method in data.controls.items()]
    return {name: {m: d[MEAN] for m, d in by_method.items() if MEAN in d} for name, by_method in named}


def _draw_comparison(axes: Axes, rows: Sequence[_Row], names: Sequence[str], metric: str) -> None:
    splits, controls = cycle(_SPLIT_LOOKS), cycle(_CONTROL_LOOKS)
    for number, name in enumerate(names):
        marker, face, edge = next(controls if name.startswith(_CONTROL) else splits)
        shift = (number - (len(names) - 1) / 2) * 0.17
        label: str | None = name
        for place, row in enumerate(rows):
            score = row.series.get(name)
            if score is None or metric not in score.values:
                continue
            low, high = score.ci95.get(metric, (score.values[metric],) * 2)
            axes.hlines(place + shift, low, high, color=edge, lw=1.6, alpha=0.55)
            axes.plot(score.values[metric], place + shift, marker, mfc=face, mec=edge, ms=6, ls="", label=label)
            label = None
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(left=0)


def _mark_chance(axes: Axes, data: ReportData, metric: str) -> None:
    chance = data.main.get(CHANCE, {}).get(MEAN)
    if chance and metric in chance.values:
        axes.axvline(chance.values[metric], color=MUTED, ls=(0, (4, 3)), lw=1.2, label="chance")


def _comparison_rows(rows: Sequence[_Row], metric: str) -> list[tuple[object, ...]]:
    found = ((r.method, name, s) for r in rows for name, s in r.series.items() if metric in s.values)
    return [(m, name, s.values[metric], *s.ci95.get(metric, ("", ""))) for m, name, s in found]


def _marked(data: ReportData, method: str) -> str:
    name = words(method_name(method))
    return f"{name} (exported)" if method == data.exported else name


def _draw_curve(axes: Axes, data: ReportData, curve: Curve, place: int) -> None:
    colour, dashes, width = PALETTE[place % len(PALETTE)], DASHES[place % len(DASHES)], 1.5
    if curve.method == CHANCE:
        colour, dashes, width = MUTED, DASHES_OF_CHANCE, 1.3
    elif curve.method == data.exported:
        colour, dashes, width = BLUE, (), 2.6
    (line,) = axes.plot(curve.k, curve.recall, color=colour, lw=width, label=_marked(data, curve.method))
    if dashes:
        line.set_dashes(dashes)
    if curve.low is not None and curve.high is not None:
        axes.fill_between(curve.k, curve.low, curve.high, color=colour, alpha=0.12, lw=0)


def _points(curve: Curve) -> list[tuple[object, ...]]:
    blank = [""] * len(curve.k)
    return list(zip(curve.k, curve.recall, curve.low or blank, curve.high or blank, strict=True))


def _draw_gauge(axes: Axes, gauge: Gauge, name: str, row: int) -> None:
    value, null = gauge.values[name], gauge.nulls.get(name)
    axes.barh(row, 1, height=0.36, color=FAINT, lw=0)
    axes.barh(row, value, height=0.36, color=BLUE, lw=0, label=None if row else "measured")
    axes.text(max(value, 0) + 0.012, row, f"{value:.2f}", va="center", fontweight="bold", color=INK)
    if name == "cka":
        axes.vlines([_WEAK, _STRONG], row - 0.18, row + 0.18, color=PAPER, lw=2)
    if null:
        label = None if row else "shuffled pairs (mean ± 2 sd)"
        axes.errorbar(null.mean, row + 0.31, xerr=2 * null.sd, fmt="o", ms=3.5, lw=1.6, color=ORANGE, label=label)


def _gauge_rows(gauge: Gauge, names: Sequence[str]) -> list[tuple[object, ...]]:
    nulls = [gauge.nulls.get(n) for n in names]
    return [
        (n, gauge.values[n], *((null.mean, null.sd, null.p_value) if null else ("", "", "")))
        for n, null in zip(names, nulls, strict=True)
    ]
