"""What was found, in sentences that a reader needs no glossary for."""

from __future__ import annotations

from components.reporting.data import CHANCE, LEFT_TO_RIGHT, MEAN, RIGHT_TO_LEFT, ReportData, Score
from components.reporting.names import method_name, plural


def headline_metric(data: ReportData) -> str:
    """``"R@10"``, or the largest k that was measured of the exported method."""
    score = next(iter(data.main[data.exported].values()))
    return max((name for name in score.values if name.startswith("R@")), key=lambda name: int(name[2:]))


def headline(data: ReportData) -> str:
    """``With 100 known pairs, 28 of 100 pictures find their text among the first 10 of 473 (chance: 2).``"""
    metric = headline_metric(data)
    asked, found = data.nouns(LEFT_TO_RIGHT)
    score = _score(data, LEFT_TO_RIGHT)
    pairs = plural(data.num_pairs, "known pair")
    chance = _chance(data, LEFT_TO_RIGHT, metric)
    beside = f" (chance: {of_100(chance)})" if chance is not None else ""
    what = (
        f"{of_100(score.values[metric])} of 100 {asked}s find their {found}"
        f" among the first {metric[2:]} of {score.gallery:,}{beside}."
    )
    if chance is not None and not beats_chance(data):
        return f"With {pairs}, nothing better than chance was found: {what}"
    return f"With {pairs}, {what}"


def beats_chance(data: ReportData) -> bool:
    """Whether the exported method's interval (without one: its value) lies above chance, mean of both directions."""
    metric = headline_metric(data)
    score = data.main[data.exported].get(MEAN) or _score(data, LEFT_TO_RIGHT)
    chance = _chance(data, MEAN, metric)
    low = score.ci95[metric][0] if metric in score.ci95 else score.values[metric]
    return chance is None or low > chance


def findings(data: ReportData) -> list[str]:
    """One sentence each: the way back, the other splits, the best method, the controls."""
    metric = headline_metric(data)
    return [
        s for s in (_way_back(data, metric), *_splits(data, metric), _best(data, metric), _controls(data, metric)) if s
    ]


def _way_back(data: ReportData, metric: str) -> str:
    score = data.main[data.exported].get(RIGHT_TO_LEFT)
    asked, found = data.nouns(RIGHT_TO_LEFT)
    return f"The other way round, {of_100(score.values[metric])} of 100 {asked}s find their {found}." if score else ""


def _splits(data: ReportData, metric: str) -> list[str]:
    group = data.retrieval.get("group", {}).get(data.exported, {}).get(MEAN)
    if group is None or data.primary == "group":
        return []
    return [
        f"Where no group is shared with the known pairs it is {of_100(group.values[metric])} of 100 (mean of both"
        " directions): expect this for content unlike the known pairs."
    ]


def _best(data: ReportData, metric: str) -> str:
    means = {m: d[MEAN].values[metric] for m, d in data.main.items() if m != CHANCE and MEAN in d}
    if len(means) < 2 or data.exported not in means:
        return ""
    best = max(means, key=lambda m: (round(means[m], 1), m == data.exported, m))
    if best == data.exported:
        return f"The exported method, {method_name(best)}, is the best of {len(means)} by {metric}."
    return (
        f"The exported method is {method_name(data.exported)} ({means[data.exported]:.1f} % {metric}, mean of both"
        f" directions); the best of {len(means)} is {method_name(best)} ({means[best]:.1f} %)."
    )


def _controls(data: ReportData, metric: str) -> str:
    """Controls whose interval does not reach down to chance are named: then the numbers above are not to be trusted."""
    chance = _chance(data, MEAN, metric)
    scores = [(c, m, d[MEAN]) for c, by_method in data.controls.items() for m, d in by_method.items() if MEAN in d]
    if chance is None or not scores:
        return ""
    above = [(c, m) for c, m, s in scores if metric in s.ci95 and s.ci95[metric][0] > chance]
    if not above:
        return "The controls (shuffled pairs, random features) fall to chance, as they must."
    named = ", ".join(f"{method_name(m)} with {c.replace('-', ' ')}" for c, m in above)
    return f"{len(above)} of {len(scores)} controls lie above chance (one in forty does by luck): {named}."


def _score(data: ReportData, direction: str) -> Score:
    scores = data.main[data.exported]
    return scores.get(direction) or next(iter(scores.values()))


def _chance(data: ReportData, direction: str, metric: str) -> float | None:
    scores = data.main.get(CHANCE, {})
    score = scores.get(direction) or next(iter(scores.values()), None)
    return score.values.get(metric) if score else None


def of_100(percent: float) -> str:
    """Of 100, without decimals unless it is below one."""
    return f"{percent:.0f}" if percent >= 1 or percent == 0 else f"{percent:.1f}"
