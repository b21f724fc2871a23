"""From results of cells to records: means over seeds with intervals, costs, reasons where there are no numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.evaluation.intervals import t_interval
from components.evaluation.retrieval import chance
from pipelines.bench.alignment.grid import Setting, needs_pairs
from pipelines.bench.alignment.methods import CHANCE

METRICS = ("R@1", "R@5", "R@10", "median_rank", "foscttm")
_BOUNDS = {"median_rank": (1.0, np.inf), "foscttm": (0.0, 1.0)}
_PLACE = ("corpus", "protocol", "split", "selection", "budget")


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """One cell: ``status`` ok, refused or failed; the facts of a fit that worked."""

    setting: Setting
    seed: int
    status: str
    reason: str = ""
    facts: Mapping[str, Any]
    cached: bool = False

    def value(self, metric: str, direction: str = "mean") -> float:
        return float(self.facts["scores"][direction][metric])

    def row(self) -> dict[str, Any]:
        """For the Parquet file of cells."""
        same = {**asdict(self.setting), "seed": self.seed, "status": self.status, "reason": self.reason}
        if self.status != "ok":
            return same
        costs = {n: float(self.facts[n]) for n in ("cpu_seconds", "seconds", "peak_mib", "growth_mib")}
        return {**same, **{m: self.value(m) for m in METRICS}, **costs, "chosen": self.facts.get("chosen")}


def make_records(settings: Iterable[Setting], cells: Sequence[CellResult]) -> list[dict[str, Any]]:
    """One record per setting, in order, and one for chance per corpus, protocol, split, selection and budget."""
    by_setting: dict[Setting, list[CellResult]] = {}
    for cell in cells:
        by_setting.setdefault(cell.setting, []).append(cell)
    settings = list(settings)
    records = [_record(s, sorted(by_setting.get(s, []), key=lambda c: c.seed)) for s in settings]
    return records + _chance_records(records)


def _record(setting: Setting, cells: Sequence[CellResult]) -> dict[str, Any]:
    if needs_pairs(setting):
        return {**asdict(setting), "status": "skipped", "reason": "needs pairs", "seeds": 0}
    good = [c for c in cells if c.status == "ok"]
    reasons = Counter(c.reason for c in cells if c.status != "ok")
    told = "; ".join(f"{reason} ({n} of {len(cells)} seeds)" for reason, n in reasons.most_common())
    if not good:
        status = "failed" if any(c.status == "failed" for c in cells) else "refused"
        return {**asdict(setting), "status": status, "reason": told or "not run", "seeds": 0}
    numbers = {metric: _interval(good, metric) for metric in METRICS}
    chosen = Counter(str(c.facts["chosen"]) for c in good if "chosen" in c.facts)
    return {
        **asdict(setting),
        "status": "ok" if len(good) == len(cells) else "partial",
        "reason": told,
        "seeds": len(good),
        "mean": {m: i["mean"] for m, i in numbers.items()},
        "ci95": {m: i["ci95"] for m, i in numbers.items()},
        "per_seed": {m: {str(c.seed): c.value(m) for c in good} for m in ("R@1", "R@10")},
        "directions": {
            d: {m: float(np.mean([c.value(m, d) for c in good])) for m in METRICS}
            for d in ("left_to_right", "right_to_left")
        },
        "cpu_seconds": float(np.mean([c.facts["cpu_seconds"] for c in good])),
        "peak_mib": float(max(c.facts["peak_mib"] for c in good)),
        "growth_mib": float(max(c.facts["growth_mib"] for c in good)),
        "unpaired_rows": good[0].facts["rows"]["left"],
        "gallery": good[0].facts["rows"]["gallery"],
        **({"chosen": dict(chosen)} if chosen else {}),
    }


def _interval(cells: Sequence[CellResult], metric: str) -> dict[str, Any]:
    """Mean and 95 % interval over seeds (Student's t); one seed has none."""
    found = t_interval(np.array([c.value(metric) for c in cells]), bounds=_BOUNDS.get(metric, (0.0, 100.0)))
    return {"mean": found.mean, "ci95": [found.low, found.high] if found.num > 1 else None}


def _chance_records(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In closed form, for every column of the table."""
    places: dict[tuple[Any, ...], int] = {}
    for r in records:
        if "mean" in r and r["rows"] is None and r["control"] == "none":
            place = tuple(r[n] for n in _PLACE)
            places.setdefault(place, int(r["gallery"]))
    return [_chance(Setting(**dict(zip(_PLACE, p, strict=True)), method=CHANCE), g) for p, g in places.items()]


def _chance(setting: Setting, gallery: int) -> dict[str, Any]:
    values = chance(gallery).as_dict()
    same = {**asdict(setting), "status": "ok", "reason": "", "seeds": 0, "gallery": gallery}
    costs = {"cpu_seconds": 0.0, "peak_mib": 0.0, "growth_mib": 0.0}
    return {**same, "mean": values, "ci95": {m: [v, v] for m, v in values.items()}, **costs}
