"""Claims that the records can decide: each with its numbers, an interval, and whether it holds here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from components.evaluation.intervals import Interval, t_interval
from pipelines.bench.alignment.grid import NONE, Setting
from pipelines.bench.alignment.methods import SIMPLE
from pipelines.bench.alignment.options import CLAIM_CHOSEN, CLAIM_RANDOM, CLAIMED
from pipelines.bench.alignment.records import CellResult

METRIC = "R@10"
# The guard of auto: as far as it may be below the best simple map, in points of R@10.
GUARD = 0.5
CHOSEN_GAIN = {"random": 1.35, "group": 1.2}
REAL = ("emoji", "openclipart", "mdi_icons")


@dataclass(frozen=True)
class Results:
    """Values of the metric by setting and seed."""

    values: Mapping[Setting, Mapping[int, float]]

    @classmethod
    def of(cls, cells: Iterable[CellResult]) -> Results:
        values: dict[Setting, dict[int, float]] = {}
        for cell in cells:
            if cell.status == "ok":
                values.setdefault(cell.setting, {})[cell.seed] = cell.value(METRIC)
        return cls(values)

    def mean(self, setting: Setting) -> float | None:
        found = self.values.get(setting)
        return float(np.mean(list(found.values()))) if found else None

    def differences(self, one: Setting, other: Setting) -> Interval | None:
        """Over the seeds that both have."""
        return self._paired(one, other, lambda a, b: a - b)

    def ratios(self, one: Setting, other: Setting) -> Interval | None:
        return self._paired(one, other, lambda a, b: a / max(b, 1e-9))

    def best_simple(self, place: Setting) -> Setting | None:
        """The simple map with the highest mean."""
        candidates = [replace(place, method=m) for m in SIMPLE]
        means = {s: mean for s in candidates if (mean := self.mean(s)) is not None}
        return max(means, key=lambda s: means[s]) if means else None

    def _paired(self, one: Setting, other: Setting, combine: Any) -> Interval | None:
        a, b = self.values.get(one, {}), self.values.get(other, {})
        seeds = sorted(set(a) & set(b))
        return t_interval(np.array([combine(a[s], b[s]) for s in seeds])) if seeds else None


def make_claims(cells: Sequence[CellResult]) -> list[dict[str, Any]]:
    """All claims; those that lack a cell say so."""
    results = Results.of(cells)
    corpora = list(dict.fromkeys(c.setting.corpus for c in cells))
    claims = [_pairs_needed(results, c) for c in CLAIMED if c in corpora]
    claims += [_rows_count(results, c) for c in corpora]
    claims += [_never_below(results, c) for c in corpora]
    claims += [_chosen(results, c, split, b) for c in REAL if c in corpora for split in CHOSEN_GAIN for b in (50, 100)]
    return claims


def _claim(name: str, corpus: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"claim": name, "corpus": corpus, "metric": METRIC, "text": text, **fields}


def _verdict(found: Interval | None, least: float) -> dict[str, Any]:
    """``holds`` by the mean; ``certain`` if the whole interval agrees."""
    if found is None:
        return {"holds": None, "reason": "not measured"}
    ends = [found.low, found.high] if found.num > 1 else None
    agree = (found.low >= least if found.mean >= least else found.high < least) if ends else False
    numbers = {"value": found.mean, "ci95": ends, "seeds": found.num, "needed": least}
    return {"holds": found.mean >= least, "certain": agree, **numbers}


def _pairs_needed(results: Results, corpus: str) -> dict[str, Any]:
    one = Setting(corpus=corpus, selection="coverage", budget=CLAIM_CHOSEN, method="auto")
    other = Setting(corpus=corpus, budget=CLAIM_RANDOM, method="contrastive")
    text = f"auto with {CLAIM_CHOSEN} chosen pairs is no worse than contrastive heads with {CLAIM_RANDOM} random ones"
    means = {"auto": results.mean(one), "contrastive": results.mean(other)}
    return _claim("pairs-needed", corpus, text, means=means, **_verdict(results.differences(one, other), 0.0))


def _rows_count(results: Results, corpus: str) -> dict[str, Any]:
    """From the fewest unpaired rows to all of them, pairs fixed."""
    text = "recall of auto grows with unpaired rows at fixed pairs"
    fewer = [s for s in results.values if s.corpus == corpus and s.rows and s.method == "auto" and s.control == NONE]
    if not fewer:
        return _claim("unpaired-rows", corpus, text, holds=None, reason="not measured")
    few = min(fewer, key=lambda s: s.rows or 0)
    found = results.differences(replace(few, rows=None), few)
    means = {str(s.rows or "all"): results.mean(s) for s in [*sorted(fewer), replace(few, rows=None)]}
    verdict = _verdict(found, 0.0)
    if found is not None:  # growth that may be none is none
        verdict["holds"] = found.num > 1 and found.low > 0
    return _claim("unpaired-rows", corpus, text, means=means, **verdict)


def _never_below(results: Results, corpus: str) -> dict[str, Any]:
    text = f"auto is never more than {GUARD} below the best simple map on the same pairs"
    found = []
    for setting in results.values:
        if (setting.corpus, setting.method, setting.control) != (corpus, "auto", NONE):
            continue
        best = results.best_simple(setting)
        if best is not None and (difference := results.differences(setting, best)):
            found.append((difference.mean, setting, best, difference))
    if not found:
        return _claim("never-below-simple", corpus, text, holds=None, reason="not measured")
    _, setting, best, difference = min(found, key=lambda f: f[0])
    worst = {n: getattr(setting, n) for n in ("protocol", "split", "selection", "budget", "rows")}
    more = {"worst": {**worst, "simple": best.method}, "places": len(found)}
    return _claim("never-below-simple", corpus, text, **more, **_verdict(difference, -GUARD))


def _chosen(results: Results, corpus: str, split: str, budget: int) -> dict[str, Any]:
    """Both the choice of the pairs and the method count here."""
    one = Setting(corpus=corpus, split=split, selection="coverage", budget=budget, method="auto")
    best = results.best_simple(replace(one, selection="random"))
    least = CHOSEN_GAIN[split]
    text = f"{budget} pairs chosen by coverage and auto reach {least} x the best simple map on random ones ({split})"
    found = results.ratios(one, best) if best else None
    return _claim("chosen-pairs", corpus, text, split=split, budget=budget, **_verdict(found, least))
