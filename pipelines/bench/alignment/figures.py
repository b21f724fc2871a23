"""Figures of the bench: recall by pairs, recall by unpaired rows, and what a point of recall costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from components.reporting.style import BLUE, DASHES, DASHES_OF_CHANCE, GREY, PALETTE, Figure, csv_text, drawing, finish
from pipelines.bench.alignment.methods import CHANCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = Mapping[str, Any]
METRIC, PANELS_A_ROW = "R@10", 3
_MARKERS = "osD^vPX*<>"


def all_figures(records: Sequence[Record]) -> list[Figure]:
    """Those that the records have something for: random pairs, disjoint sides and the random split only, like with
    like."""
    good = [r for r in records if "mean" in r and r["control"] == "none"]
    same = [r for r in good if _place(r) == _place(good[0])]
    found = (recall_by_pairs(same), recall_by_rows(same), cost_by_recall(same))
    return [figure for figure in found if figure is not None]


def _place(record: Record) -> tuple[Any, ...]:
    return tuple(record[n] for n in ("protocol", "split", "selection"))


def recall_by_pairs(records: Sequence[Record]) -> Figure | None:
    """A panel per corpus: R@10 of every method over the number of known pairs."""
    here = [r for r in records if r["rows"] is None]
    if len({r["budget"] for r in here if r["method"] != CHANCE}) < 2:
        return None

    def draw(axes: Axes, own: Sequence[Record], looks: Mapping[str, dict[str, Any]]) -> None:
        _lines(axes, own, looks, lambda r: r["budget"])
        axes.set_xscale("symlog", linthresh=10)
        _ticks(axes, sorted({r["budget"] for r in own}))
        axes.set_xlabel("known pairs")

    return _panels(
        here,
        draw,
        name="recall-by-pairs",
        title="Recall over known pairs",
        caption="Mean of both directions and of the seeds; bands: 95 % intervals over seeds; dotted: chance.",
        header="budget",
    )


def recall_by_rows(records: Sequence[Record]) -> Figure | None:
    """A panel per corpus that was measured with fewer unpaired rows."""
    fewer = [r for r in records if r["rows"] is not None]
    measured = {(r["corpus"], r["budget"], r["method"]) for r in fewer}
    here = fewer + [r for r in records if r["rows"] is None and (r["corpus"], r["budget"], r["method"]) in measured]
    if not fewer:
        return None

    def draw(axes: Axes, own: Sequence[Record], looks: Mapping[str, dict[str, Any]]) -> None:
        _lines(axes, own, looks, lambda r: r["unpaired_rows"])
        axes.set_xscale("log")
        _ticks(axes, sorted({r["unpaired_rows"] for r in own}))
        axes.set_xlabel(f"unpaired rows a side, {own[0]['budget']} pairs")

    return _panels(
        here,
        draw,
        name="recall-by-rows",
        title="Recall over unpaired rows at fixed pairs",
        caption="What data without pairs is worth. Bands: 95 % intervals over seeds.",
        header="unpaired_rows",
    )


def cost_by_recall(records: Sequence[Record]) -> Figure | None:
    """A panel per corpus: CPU seconds of a fit against R@10, at 100 pairs or the budget next to it."""
    here = [r for r in records if r["rows"] is None and r["method"] != CHANCE and r["budget"]]
    if not here:
        return None
    budget = min({r["budget"] for r in here}, key=lambda b: (abs(b - 100), b))

    def draw(axes: Axes, own: Sequence[Record], looks: Mapping[str, dict[str, Any]]) -> None:
        for record in own:
            look = {k: v for k, v in looks[record["method"]].items() if k not in ("dashes", "ls")}
            axes.plot(
                [max(record["cpu_seconds"], 1e-3)], [record["mean"][METRIC]], ls="", label=record["method"], **look
            )
        _log_seconds(axes)

    return _panels(
        [r for r in here if r["budget"] == budget],
        draw,
        name="cost-by-recall",
        title=f"What recall costs, {budget} pairs",
        caption="CPU seconds of one fit, choice of hyperparameters included, one thread.",
        header="budget",
    )


def _panels(
    records: Sequence[Record],
    draw: Callable[[Axes, Sequence[Record], Mapping[str, dict[str, Any]]], None],
    *,
    name: str,
    title: str,
    caption: str,
    header: str,
) -> Figure:
    corpora = list(dict.fromkeys(r["corpus"] for r in records))
    looks = _looks(list(dict.fromkeys(r["method"] for r in records)))
    columns = min(PANELS_A_ROW, len(corpora))
    rows = -(-len(corpora) // columns)
    with drawing(3.6 * columns + 2.2, 3.0 * rows + 0.5, columns, rows=rows) as (canvas, axes):
        for panel, corpus in zip(axes, corpora, strict=False):
            draw(panel, [r for r in records if r["corpus"] == corpus], looks)
            panel.set_title(corpus)
            panel.set_ylim(bottom=0)
            panel.set_ylabel(f"{METRIC}, percent")
        for panel in axes[len(corpora) :]:
            panel.set_visible(False)
        found = {label: handle for a in axes for handle, label in zip(*a.get_legend_handles_labels(), strict=True)}
        canvas.legend(list(found.values()), list(found), loc="outside right center")
        alt = f"{title}: {len(looks)} methods on {', '.join(corpora)}."
        table = csv_text(_columns(header), (_row(r, header) for r in records))
        return finish(canvas, name=name, title=title, caption=caption, alt=alt, table=table)


def _columns(header: str) -> list[str]:
    return ["corpus", "protocol", "split", "selection", "method", header, METRIC, "low", "high", "cpu_seconds"]


def _row(record: Record, header: str) -> list[Any]:
    ends = record["ci95"][METRIC] or ["", ""]
    names = [record[n] for n in ("corpus", "protocol", "split", "selection", "method")]
    return [*names, record[header], record["mean"][METRIC], *ends, record["cpu_seconds"]]


def _looks(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``auto`` stands out; chance is grey and dotted; all others differ in colour, dash and marker."""
    others = [m for m in methods if m not in ("auto", CHANCE)]
    looks = zip(
        others,
        cycle(PALETTE),
        islice(cycle(DASHES[1:]), len(others)),
        islice(cycle(_MARKERS[1:]), len(others)),
        strict=False,
    )
    found = {m: {"color": c, "dashes": d, "marker": k, "ms": 4.0, "lw": 1.3} for m, c, d, k in looks}
    found["auto"] = {"color": BLUE, "ls": "-", "marker": "o", "ms": 5.5, "lw": 2.4, "zorder": 5}
    found[CHANCE] = {"color": GREY, "dashes": DASHES_OF_CHANCE, "lw": 1.2}
    return found


def _lines(
    axes: Axes, records: Sequence[Record], looks: Mapping[str, dict[str, Any]], place: Callable[[Record], float]
) -> None:
    for method in dict.fromkeys(r["method"] for r in records):
        own = sorted((r for r in records if r["method"] == method), key=place)
        xs, look = [place(r) for r in own], looks[method]
        axes.plot(xs, [r["mean"][METRIC] for r in own], label=method, **look)
        ends = [r["ci95"][METRIC] for r in own]
        if all(ends) and method != CHANCE:
            axes.fill_between(xs, [e[0] for e in ends], [e[1] for e in ends], color=look["color"], alpha=0.1, lw=0)


def _log_seconds(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.1)
    axes.set_xlabel("CPU seconds of a fit")


def _ticks(axes: Axes, values: Sequence[float]) -> None:
    axes.set_xticks(list(values), [f"{v:,}" for v in values])
    axes.minorticks_off()
