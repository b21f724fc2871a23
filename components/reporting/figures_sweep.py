"""Figures of a search: recall by number of pairs, the response over two settings, and what recall costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.reporting.style import BLUE, GREY, INK, MUTED, ORANGE, Figure, csv_text, drawing, finish

Band = tuple[float, float, float]  # mean, low, high


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One finished trial as figures see it: ``known`` and ``heldout`` in the metric's unit, ``cost`` in CPU seconds."""

    number: int
    params: Mapping[str, Any]
    known: Band
    heldout: Band | None
    cost: float


def by_budget(rows: Sequence[TrialRow], key: str, metric: str, *, high: bool = True) -> Figure | None:
    """The best trial of each budget, chosen by the known pairs, with intervals; all trials as points."""
    rows = [r for r in rows if isinstance(r.params.get(key), int | float)]
    budgets = sorted({r.params[key] for r in rows})
    if len(budgets) < 2:
        return None
    chosen = [_best([r for r in rows if r.params[key] == b], high) for b in budgets]
    with drawing(6.4, 3.9) as (canvas, (axes,)):
        axes.plot([r.params[key] for r in rows], [r.known[0] for r in rows], "o", ms=3, color=GREY, label="trials")
        _band(axes, budgets, [c.known for c in chosen], BLUE, "best of each, known pairs out of fold")
        held = [(b, c.heldout) for b, c in zip(budgets, chosen, strict=True) if c.heldout]
        if held:
            _band(axes, [b for b, _ in held], [h for _, h in held if h], ORANGE, "the same, held-out pairs")
        axes.set_xscale("log")
        axes.set_xticks(budgets, [f"{b:g}" for b in budgets])
        axes.minorticks_off()
        axes.set_xlabel(f"{key} (log scale)")
        axes.set_ylabel(metric)
        axes.set_ylim(bottom=0)
        axes.legend(loc="best")
        table = [(b, c.number, *c.known, *(c.heldout or ("", "", ""))) for b, c in zip(budgets, chosen, strict=True)]
        header = [key, "trial", "known", "known low", "known high", "held out", "held out low", "held out high"]
        return finish(
            canvas,
            name="recall-by-budget",
            title="What more known pairs bring",
            caption="The best trial of every budget, by the known pairs alone; bands are 95 % intervals over pairs.",
            alt="; ".join(f"{b:g} pairs: {c.known[0]:.1f}" for b, c in zip(budgets, chosen, strict=True))
            + f" ({metric})",
            table=csv_text(header, table),
        )


def response(rows: Sequence[TrialRow], keys: tuple[str, str], metric: str, *, high: bool = True) -> Figure | None:
    """The best value in every cell of two settings' grid, whatever the other settings; None with one row or column."""
    rows = [r for r in rows if all(k in r.params for k in keys)]
    across, down = (_levels([r.params[k] for r in rows]) for k in keys)
    if len(across) < 2 or len(down) < 2 or len(across) * len(down) > MAX_CELLS:
        return None
    cells = np.full((len(down), len(across)), np.nan)
    for r in rows:
        place = down.index(r.params[keys[1]]), across.index(r.params[keys[0]])
        better = np.fmax if high else np.fmin
        cells[place] = better(cells[place], r.known[0])
    with drawing(1.9 + 0.95 * len(across), 1.3 + 0.62 * len(down)) as (canvas, (axes,)):
        image = axes.imshow(cells, cmap="cividis", aspect="auto", origin="lower")
        middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
        for (y, x), value in np.ndenumerate(cells):
            colour = INK if value > middle else "white"
            axes.text(x, y, "" if np.isnan(value) else f"{value:.1f}", ha="center", va="center", color=colour)
        axes.set_xticks(range(len(across)), [_short(v) for v in across])
        axes.set_yticks(range(len(down)), [_short(v) for v in down])
        axes.grid(visible=False)
        axes.set_xlabel(keys[0])
        axes.set_ylabel(keys[1])
        canvas.colorbar(image, ax=axes, label=metric, format="%.1f")
        table = [
            (a, d, float(cells[y, x]))
            for y, d in enumerate(down)
            for x, a in enumerate(across)
            if cells[y, x] == cells[y, x]
        ]
        return finish(
            canvas,
            name="response",
            title=f"{_last(keys[0])} and {_last(keys[1])}",
            caption="The best trial of each cell, by the known pairs alone, over all other settings." + _width(rows),
            alt=f"from {np.nanmin(cells):.1f} to {np.nanmax(cells):.1f} ({metric})",
            table=csv_text([*keys, metric], table),
        )


def pareto(rows: Sequence[TrialRow], metric: str, *, high: bool = True) -> Figure | None:
    """What each trial costs and what it is worth; the front: nothing is both cheaper and better."""
    if len(rows) < 2:
        return None
    front = pareto_front(rows, high=high)
    with drawing(6.4, 3.9) as (canvas, (axes,)):
        axes.plot([r.cost for r in rows], [r.known[0] for r in rows], "o", ms=4, color=GREY, label="trials")
        x, y = [r.cost for r in front], [r.known[0] for r in front]
        axes.step(x, y, where="post", color=BLUE, lw=1.4)
        axes.plot(x, y, "o", ms=5, color=BLUE, label="front")
        for r in front:
            axes.annotate(f"{r.number}", (r.cost, r.known[0]), (4, -10), textcoords="offset points", color=MUTED)
        axes.set_xlabel("seconds of the trial's own work")
        axes.set_ylabel(metric)
        axes.legend(loc="best")
        table = [(r.number, r.cost, r.known[0], int(r in front)) for r in rows]
        return finish(
            canvas,
            name="cost",
            title="What it costs",
            caption="Work that all trials share (reading, encoding) is left out. Numbers are those of the trials.",
            alt=f"{len(front)} of {len(rows)} trials are neither dearer nor worse than another",
            table=csv_text(["trial", "seconds", metric, "front"], table),
        )


MAX_CELLS = 400


def pareto_front(rows: Sequence[TrialRow], *, high: bool = True) -> list[TrialRow]:
    """Rows that no other beats in cost and value at once, cheapest first."""
    sign = 1.0 if high else -1.0
    front: list[TrialRow] = []
    for row in sorted(rows, key=lambda r: (r.cost, -sign * r.known[0], r.number)):
        if not front or sign * row.known[0] > sign * front[-1].known[0]:
            front.append(row)
    return front


def _width(rows: Sequence[TrialRow]) -> str:
    """What keeps readers from taking chance for a slope: colours always span the whole scale."""
    width = float(np.median([high - low for _, low, high in (r.known for r in rows)]))
    return f" 95 % intervals are about {width:.1f} wide: smaller differences may be chance." if width else ""


def _best(rows: Sequence[TrialRow], high: bool) -> TrialRow:
    return max(rows, key=lambda r: (r.known[0] if high else -r.known[0], -r.number))


def _band(axes: Any, x: Sequence[float], bands: Sequence[Band], colour: str, label: str) -> None:
    mean, low, high = zip(*bands, strict=True)
    axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(x, mean, "o-", ms=4, lw=1.6, color=colour, label=label)


def _levels(values: Sequence[Any]) -> list[Any]:
    """Distinct values, numbers in order, words after them."""
    return sorted(dict.fromkeys(values), key=lambda v: (isinstance(v, str), v))


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _last(key: str) -> str:
    return key.rpartition(".")[2]
