"""Tables as data: cells with what is best marked, ready for the page and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.reporting.data import CHANCE, DIRECTIONS, MEAN, ByMethod, ReportData, Score
from components.reporting.names import METRICS, control_name, direction_name, method_name, methods_by_score
from components.reporting.style import csv_text

_LOWER_IS_BETTER = {"median_rank", "foscttm"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """``text``, the half width of its 95 % interval (``"±2.1"``), the interval in words, and whether it is best."""

    text: str
    spread: str = ""
    interval: str = ""
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """One method's row. ``marks`` are words behind its name, e.g. ``"exported"``; ``chance`` rows are muted."""

    name: str
    cells: Sequence[Cell]
    marks: Sequence[str] = ()
    chance: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """``groups``: (heading, number of columns) above ``columns``; ``csv`` has the unrounded numbers."""

    groups: Sequence[tuple[str, int]]
    columns: Sequence[str]
    lines: Sequence[Line]
    csv: str


def retrieval_table(data: ReportData, split: str) -> Table:
    """Methods by (direction x metric) on one split, best of each column marked, chance last."""
    scores = data.retrieval[split]
    directions = [d for d in (MEAN, *DIRECTIONS[:2]) if any(d in by_direction for by_direction in scores.values())]
    metrics = [
        m for m in METRICS if any(m in s.values for by_direction in scores.values() for s in by_direction.values())
    ]
    columns = [(d, m) for d in directions for m in metrics]
    best = {column: _best(scores, *column) for column in columns}
    lines = [
        Line(
            name=method_name(m),
            cells=[_cell(scores[m].get(d), metric, best[d, metric]) for d, metric in columns],
            marks=["exported"] if m == data.exported else [],
            chance=m == CHANCE,
        )
        for m in methods_by_score(data, scores)
    ]
    return Table(
        groups=[(direction_name(data, d), len(metrics)) for d in directions],
        columns=[METRICS[m] for _, m in columns],
        lines=lines,
        csv=scores_csv(scores),
    )


def control_table(data: ReportData, metric: str) -> Table:
    """The same metric with the true pairs and under each control, mean of both directions."""
    arms: Mapping[str, ByMethod] = {"true pairs": data.main, **{control_name(c): s for c, s in data.controls.items()}}
    methods = [m for m in methods_by_score(data, data.main) if any(m in s for s in data.controls.values())]
    lines = [
        Line(name=method_name(m), cells=[_cell(_mean(s, m), metric, None) for s in arms.values()]) for m in methods
    ]
    chance = _cell(_mean(data.main, CHANCE), metric, None)
    lines.append(Line(name=method_name(CHANCE), cells=[chance] * len(arms), chance=True))
    rows = [(m, arm, *_numbers(_mean(s, m), metric)) for m in methods for arm, s in arms.items() if _mean(s, m)]
    return Table(
        groups=[(f"{metric}, mean of both directions", len(arms))],
        columns=list(arms),
        lines=lines,
        csv=csv_text(["method", "pairs", metric, "low", "high"], rows),
    )


def scores_csv(scores: ByMethod) -> str:
    """All numbers of one split, one row per method, direction and metric."""
    rows = (
        (method, direction, metric, *_numbers(score, metric), score.gallery, score.draws)
        for method, by_direction in scores.items()
        for direction, score in by_direction.items()
        for metric in score.values
    )
    return csv_text(["method", "direction", "metric", "value", "low", "high", "gallery", "draws"], rows)


def quarantine_rows(data: ReportData) -> list[tuple[str, str, int]]:
    """(side, reason, count), commonest first; duplicates that were merged come last."""
    rows = []
    for side in (data.left, data.right):
        name = f"{side.name} ({side.noun}s)" if side.noun != f"{side.name} item" else side.name
        rows += [(name, reason, n) for reason, n in sorted(side.reasons.items(), key=lambda r: (-r[1], r[0]))]
    return rows


def number(value: float, metric: str) -> str:
    """As the tables print it: percent with one decimal, FOSCTTM with three, ranks with at most one."""
    if metric == "foscttm":
        return f"{value:.3f}"
    if metric == "median_rank":
        return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
    return f"{value:.1f}"


def _mean(scores: ByMethod, method: str) -> Score | None:
    return scores.get(method, {}).get(MEAN)


def _numbers(score: Score | None, metric: str) -> tuple[object, ...]:
    if score is None or metric not in score.values:
        return ("", "", "")
    return (float(score.values[metric]), *score.ci95.get(metric, ("", "")))


def _best(scores: ByMethod, direction: str, metric: str) -> str | None:
    """The printed form of the best value of a column; equal prints are equally good."""
    found = [d[direction].values for m, d in scores.items() if m != CHANCE and direction in d]
    values = [v[metric] for v in found if metric in v]
    if len(values) < 2:
        return None
    return number(min(values) if metric in _LOWER_IS_BETTER else max(values), metric)


def _cell(score: Score | None, metric: str, best: str | None) -> Cell:
    if score is None or metric not in score.values:
        return Cell(text="–")
    text = number(score.values[metric], metric)
    if metric not in score.ci95:
        return Cell(text=text, best=text == best)
    low, high = score.ci95[metric]
    return Cell(
        text=text,
        spread=f"±{number((high - low) / 2, metric)}",
        interval=f"95 % interval {number(low, metric)} to {number(high, metric)}",
        best=text == best,
    )
