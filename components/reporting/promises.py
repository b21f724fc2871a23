"""The section about what the exported model promises: recall in the whole gallery, sureness of matches, more pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.reporting.style import csv_text
from components.reporting.tables import Cell, Line, Table


@dataclass(frozen=True, kw_only=True)
class Promise:
    """Recall at one ``metric`` in percent: estimated from the known pairs with its 95 % interval, and what the held-out
    pairs showed in the gallery that they were looked for in."""

    metric: str
    now: tuple[float, float, float]
    checked: tuple[float, float, float]
    measured: float
    measured_ci95: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Matches of about equal confidence: its mean, the share that was right with its interval, their number."""

    predicted: float
    observed: float
    low: float
    high: float
    num: int


@dataclass(frozen=True, kw_only=True)
class Promises:
    """All of it.

    Attributes:
        gallery: rows that left and right queries are asked among; checked_gallery: those of the check.
        judged, queries: known pairs that were judged out of fold, held-out pairs of the check.
        advice: one sentence on more pairs.
        curve_method: whose learning curve it is.
        bins, ece, brier, brier_base: reliability of the first matches of the held-out queries.
        absent: why there is nothing of this; empty otherwise.
    """

    recalls: Sequence[Promise] = ()
    gallery: tuple[int, int] = (0, 0)
    checked_gallery: tuple[int, int] = (0, 0)
    judged: int = 0
    queries: int = 0
    advice: str = ""
    curve_method: str = ""
    bins: Sequence[Bin] = ()
    ece: float = 0.0
    brier: float = 0.0
    brier_base: float = 0.0
    absent: str = ""

    @property
    def whole_gallery_checked(self) -> bool:
        return self.gallery == self.checked_gallery


def read_promises(entry: Mapping[str, Any] | None) -> Promises | None:
    """``confidence`` of ``metrics.json``."""
    if not entry:
        return None
    if "absent" in entry:
        return Promises(absent=entry["absent"])
    check = entry["heldout"]
    calibration, names = check["calibration"], [n for n in entry["recall"] if n.startswith("R@")]
    names.sort(key=lambda name: int(name[2:]))
    return Promises(
        recalls=[_promise(n, entry["recall"][n]["now"], check["recall"][n]) for n in names],
        gallery=(entry["gallery"]["left_to_right"], entry["gallery"]["right_to_left"]),
        checked_gallery=(check["gallery"][0], check["gallery"][1]),
        judged=entry["judged"],
        queries=check["queries"],
        advice=entry["advice"],
        curve_method=entry["curve_method"],
        bins=[Bin(**b) for b in calibration["bins"]],
        **{name: calibration[name] for name in ("ece", "brier", "brier_base")},
    )


def promise_table(promises: Promises) -> Table:
    """One line per recall: the estimate, and the held-out pairs' answer."""
    rows = [(p.metric, *p.now, *p.checked, p.measured, *p.measured_ci95) for p in promises.recalls]
    header = ["metric", "estimate", "low", "high", "estimate_checked", "low_checked", "high_checked"]
    columns = ["estimate", "measured"] if promises.whole_gallery_checked else ["estimate", "estimate there", "measured"]
    return Table(
        groups=[("percent, mean of both directions", len(columns))],
        columns=columns,
        lines=[_line(p, promises.whole_gallery_checked) for p in promises.recalls],
        csv=csv_text([*header, "measured", "measured_low", "measured_high"], rows),
    )


def _line(promise: Promise, whole: bool) -> Line:
    cells = [_cell(*promise.now)] + ([] if whole else [_cell(*promise.checked)])
    return Line(name=promise.metric, cells=[*cells, _cell(promise.measured, *promise.measured_ci95)])


def _cell(value: float, low: float, high: float) -> Cell:
    return Cell(
        text=f"{value:.1f}", spread=f" {low:.1f} to {high:.1f}", interval=f"95 % interval {low:.1f} to {high:.1f}"
    )


def _promise(metric: str, now: Mapping[str, float], check: Mapping[str, Any]) -> Promise:
    low, high = check["measured_ci95"]
    return Promise(
        metric=metric,
        now=(now["value"], now["low"], now["high"]),
        checked=(check["value"], check["low"], check["high"]),
        measured=check["measured"],
        measured_ci95=(low, high),
    )
