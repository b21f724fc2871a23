"""What methods, splits, controls and metrics are called in front of a reader."""

from __future__ import annotations

from collections.abc import Iterable

from components.reporting.data import CHANCE, LEFT_TO_RIGHT, RIGHT_TO_LEFT, ReportData

METRICS = {
    "R@1": "R@1",
    "R@5": "R@5",
    "R@10": "R@10",
    "median_rank": "median",
    "foscttm": "FOSCTTM",
}
_METHODS = {
    "sue": "SUE",
    "eigen-cca": "Spectral CCA",
    "ridge-cca": "Ridge CCA",
    "procrustes": "Procrustes",
    "kernel-ridge": "Kernel ridge",
    "contrastive": "Contrastive",
    "kernel-ridge (random pairs)": "Kernel ridge (random pairs)",
    "auto": "Auto",
    "csa": "CSA",
    "ridge-map": "Ridge map",
    "asif": "ASIF",
    "functional-map": "Functional map",
    "spectral-transport": "Spectral map taught by transport",
    "fused-kernel-ridge": "Fused kernel ridge",
    "fused-csa": "Fused CSA",
    "semi-cca": "Semi-supervised CCA",
    "self-training": "Self-training",
    "wasserstein-procrustes": "Wasserstein Procrustes",
    "fixed-sum": "Fixed sum",
    "stack": "Weighted sum",
    CHANCE: "Chance",
}
_SPLITS = {
    "random": "known and held-out pairs split at random",
    "given": "held-out pairs as given",
    "group": "no group shared by known and held-out pairs",
}
_GAUGES = {"cka": "Debiased linear CKA", "mutual_knn": "Mutual nearest neighbours"}
_CONTROLS = {"shuffled-pairs": "shuffled pairs", "random-features": "random features"}


def method_name(key: str) -> str:
    """``"ridge-cca"`` -> ``"Ridge CCA"``; unknown keys as they are. ``+bank``: corrected for hubness."""
    plain = key.removesuffix("+bank")
    return _METHODS.get(plain, plain) + key[len(plain) :]


def split_name(key: str) -> str:
    """What a split of the pairs means, in words."""
    return _SPLITS.get(key, key)


def control_name(key: str) -> str:
    """What a control is called."""
    return _CONTROLS.get(key, key.replace("-", " "))


def gauge_name(key: str) -> str:
    """What an alignability gauge is called."""
    return _GAUGES.get(key, key)


def direction_name(data: ReportData, direction: str) -> str:
    """``"picture → text"``, or ``"mean of both"``."""
    if direction not in (LEFT_TO_RIGHT, RIGHT_TO_LEFT):
        return "mean of both"
    asked, found = data.nouns(direction)
    return f"{asked} → {found}"


def plural(count: float, noun: str) -> str:
    """``plural(1, "text")`` -> ``"1 text"``; ``plural(1200, "text")`` -> ``"1,200 texts"``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def methods_by_score(data: ReportData, methods: Iterable[str]) -> list[str]:
    """Chance last, the others from best to worst recall at the largest k (mean of both directions)."""
    return sorted(methods, key=lambda m: (m == CHANCE, -_last_recall(data, m), m))


def _last_recall(data: ReportData, method: str) -> float:
    scores = data.main.get(method, {})
    score = scores.get("mean") or next(iter(scores.values()), None)
    recalls = [v for name, v in score.values.items() if name.startswith("R@")] if score else []
    return max(recalls, default=0.0)
