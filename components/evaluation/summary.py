"""From ranks of single queries to the table of methods: means over pair draws with intervals, curves, control rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from components.evaluation.controls import NONE
from components.evaluation.intervals import Interval, bootstrap_interval, t_interval
from components.evaluation.retrieval import RECALLS, Ranks, chance, measure, recall_at

DIRECTIONS = ("left_to_right", "right_to_left")
UNITS = {
    "R@k": "percent of queries whose partner is among the first k",
    "median_rank": "rank, 1 is best",
    "foscttm": "fraction of the gallery closer than the true partner, .5 is chance",
    "ci95": "95 % interval: Student's t over pair draws; over queries (bootstrap) if there is one draw",
}
MAX_K = 50
_BOUNDS = {"median_rank": (1.0, np.inf), "foscttm": (0.0, 1.0)}


@dataclass(frozen=True)
class Draws:
    """One method under one split and control: per direction the ranks of each draw, in order of draws."""

    directions: Mapping[str, list[Ranks]]
    queries: Mapping[str, list[list[str]]]

    @property
    def gallery(self) -> int:
        return self.directions[DIRECTIONS[0]][0].gallery

    @property
    def num(self) -> int:
        return len(self.directions[DIRECTIONS[0]])


def group_ranks(table: pa.Table) -> dict[tuple[str, str], Draws]:
    """Split a ``ranks.parquet`` table by (split, control)."""
    columns = {name: np.asarray(table[name].to_pylist(), dtype=object) for name in ("split", "control", "direction")}
    draws, queries = table["draw"].to_numpy(), np.asarray(table["query"].to_pylist(), dtype=object)
    rank, closer, gallery = (table[n].to_numpy().astype(np.float64) for n in ("rank", "closer", "gallery"))
    groups: dict[tuple[str, str], Draws] = {}
    for split, control in dict.fromkeys(zip(columns["split"], columns["control"], strict=True)):
        here = (columns["split"] == split) & (columns["control"] == control)
        by_direction: dict[str, list[Ranks]] = {}
        ids: dict[str, list[list[str]]] = {}
        for direction in DIRECTIONS:
            masks = [here & (columns["direction"] == direction) & (draws == d) for d in np.unique(draws[here])]
            by_direction[direction] = [Ranks(rank[m], closer[m], int(gallery[m][0])) for m in masks]
            ids[direction] = [queries[m].tolist() for m in masks]
        groups[split, control] = Draws(by_direction, ids)
    return groups


def summarise(draws: Draws, *, seed: int = 0) -> dict[str, Any]:
    """``{"left_to_right": {"R@1": …, "ci95": {…}, …}, "right_to_left": …, "mean": …}``; percent, see ``UNITS``."""
    result = {d: _entry([[r] for r in draws.directions[d]], seed) for d in DIRECTIONS}
    both = [list(pair) for pair in zip(*(draws.directions[d] for d in DIRECTIONS), strict=True)]
    return {**result, "mean": _entry(both, seed)}


def summarise_chance(gallery: int) -> dict[str, Any]:
    """The same form in closed form, for a random order of the gallery."""
    values = chance(gallery).as_dict()
    entry = {**values, "gallery": gallery, "draws": 0, "ci95": {k: [v, v] for k, v in values.items()}}
    return {name: dict(entry) for name in (*DIRECTIONS, "mean")}


def recall_curve(draws: Draws, *, max_k: int = MAX_K, seed: int = 0) -> dict[str, list[Interval]]:
    """Per direction and for the mean of both, recall@k in percent for k = 1 … min(max_k, gallery) with intervals."""
    both = [list(pair) for pair in zip(*(draws.directions[d] for d in DIRECTIONS), strict=True)]
    sets = {d: [[r] for r in draws.directions[d]] for d in DIRECTIONS} | {"mean": both}
    ks = range(1, min(max_k, draws.gallery) + 1)
    return {
        name: [_interval(value, lambda r, k=k: recall_at(r.rank, k), "", seed) for k in ks]  # type: ignore[misc]
        for name, value in sets.items()
    }


def _entry(per_draw: list[list[Ranks]], seed: int) -> dict[str, Any]:
    """Metrics of draws, each one direction's ranks or both directions' (which are averaged)."""
    getters: dict[str, Callable[[Ranks], float]] = {
        **{f"R@{k}": lambda r, k=k: recall_at(r.rank, k) for k in RECALLS},  # type: ignore[misc]
        "median_rank": lambda r: measure(r).median_rank,
        "foscttm": lambda r: measure(r).foscttm,
    }
    intervals = {name: _interval(per_draw, get, name, seed) for name, get in getters.items()}
    return {
        **{name: i.mean for name, i in intervals.items()},
        "gallery": per_draw[0][0].gallery,
        "draws": len(per_draw),
        "ci95": {name: [i.low, i.high] for name, i in intervals.items()},
    }


def _interval(per_draw: list[list[Ranks]], get: Callable[[Ranks], float], name: str, seed: int) -> Interval:
    if len(per_draw) > 1:
        values = np.array([np.mean([get(r) for r in draw]) for draw in per_draw])
        return t_interval(values, bounds=_BOUNDS.get(name, (0.0, 100.0)))
    only = per_draw[0]

    def resampled(rows: np.ndarray) -> float:
        return float(np.mean([get(Ranks(r.rank[rows], r.closer[rows], r.gallery)) for r in only]))

    return bootstrap_interval(np.arange(len(only[0].rank)), resampled, seed=seed, num_resamples=200)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """All that ``metrics.json``, ``recall_at_k.csv`` and ``queries.parquet`` hold about retrieval.

    Attributes:
        retrieval: method (and ``chance``) -> summary on the primary split.
        splits: split -> ``{"retrieval": …}`` of the same form.
        controls: control -> method -> summary.
        curves: rows of the curve table: split, method, direction, k, recall, low, high.
        queries: direction, query, method, rank in the primary draw.
    """

    retrieval: dict[str, Any]
    splits: dict[str, Any]
    controls: dict[str, dict[str, Any]]
    curves: pa.Table
    queries: pa.Table


def tabulate(ranks: Mapping[str, pa.Table], primary: str, *, seed: int = 0) -> Tables:
    """Summaries of every method's ranks table. ``primary`` is the split that headline numbers come from."""
    groups = {method: group_ranks(table) for method, table in ranks.items()}
    splits: dict[str, Any] = {}
    controls: dict[str, dict[str, Any]] = {}
    for method, by_kind in groups.items():
        for (split, control), draws in by_kind.items():
            if control == NONE:
                table = splits.setdefault(split, {"retrieval": {"chance": summarise_chance(draws.gallery)}})
                table["retrieval"][method] = summarise(draws, seed=seed)
            else:
                controls.setdefault(control, {})[method] = summarise(draws, seed=seed)
    return Tables(
        retrieval=splits[primary]["retrieval"],
        splits=splits,
        controls=controls,
        curves=_curves(groups, seed),
        queries=_queries(groups, primary),
    )


def _curves(groups: Mapping[str, dict[tuple[str, str], Draws]], seed: int) -> pa.Table:
    rows: list[dict[str, Any]] = []
    galleries: dict[str, int] = {}
    for method, by_kind in groups.items():
        for (split, control), draws in by_kind.items():
            if control != NONE:
                continue
            galleries[split] = draws.gallery
            for direction, intervals in recall_curve(draws, seed=seed).items():
                rows += [_curve_row(split, method, direction, k, i) for k, i in enumerate(intervals, 1)]
    for split, gallery in galleries.items():
        for direction in (*DIRECTIONS, "mean"):
            for k in range(1, min(MAX_K, gallery) + 1):
                value = 100 * k / gallery
                rows.append(_curve_row(split, "chance", direction, k, Interval(value, value, value, 0)))
    return pa.Table.from_pylist(rows)


def _curve_row(split: str, method: str, direction: str, k: int, value: Interval) -> dict[str, Any]:
    names = {"split": split, "method": method, "direction": direction, "k": k}
    return {**names, "recall": round(value.mean, 4), "low": round(value.low, 4), "high": round(value.high, 4)}


def _queries(groups: Mapping[str, dict[tuple[str, str], Draws]], primary: str) -> pa.Table:
    parts = []
    for method, by_kind in groups.items():
        draws = by_kind[primary, NONE]
        for direction in DIRECTIONS:
            ids, ranks = draws.queries[direction][0], draws.directions[direction][0].rank
            same = {"direction": [direction] * len(ids), "query": ids, "method": [method] * len(ids)}
            parts.append(pa.table({**same, "rank": pa.array(ranks, pa.float32())}))
    return pa.concat_tables(parts)
