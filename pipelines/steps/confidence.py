"""Step ``confidence``: how sure the exported model's matches are, and what is found in the whole gallery.

Learned from the known pairs out of fold, checked on the held-out ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.workflow.step import Facts, StepContext
from components.alignment.protocol import Alignment
from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.evaluation.calibration import reliability
from components.evaluation.confidence import Confidence, fit_confidence, judge_first
from components.evaluation.gallery_recall import KS
from components.evaluation.intervals import wilson_interval
from components.evaluation.learning_curve import LearningCurve, learning_curve
from components.evaluation.out_of_fold import FEWEST_PAIRS, FILE, OutOfFold, cross_fit, load_blocks
from components.evaluation.retrieval import rank_partners, recall_at
from components.transforms import load_transform
from pipelines.steps.bank import folders_of
from pipelines.steps.fit import SIDES
from pipelines.steps.refit import Refit, curve_refit, exported_refit, fit_world

SUMMARY, MODEL = "summary.json", "confidence.json"
CURVE = (0.4, 0.6, 0.8, 1.0)
FURTHER = 50
MAX_GALLERY = 10_000  # rows that the held-out pairs are looked for among
MAX_QUERIES = 1000
MAX_SPREAD_ROWS = 600


def run(ctx: StepContext) -> Facts:
    """Write ``summary.json`` (for metrics and report) and, if there are pairs enough, ``confidence.json`` (for the
    model): see :mod:`components.evaluation.confidence`."""
    splits = Splits.read(ctx.inputs["splits"])
    num_pairs = len(splits.pairs())
    if num_pairs < FEWEST_PAIRS:
        absent = f"{num_pairs} known pairs are too few to say how sure a match is; it takes {FEWEST_PAIRS}"
        ctx.out.write_json(SUMMARY, {"absent": absent})
        return {"absent": absent}
    rows = _Rows.read(ctx, splits)
    scores = _out_of_fold(ctx, splits)
    seed = int(ctx.config["seed"])
    curve = learning_curve(scores.judged, scores.curve, rows.gallery, further=[FURTHER], seed=seed)
    model = _calibrate(scores.judged, curve, rows, seed)
    check = _check(model, scores, rows, curve, seed)
    summary = {
        "method": ctx.config["exported"],
        "curve_method": scores.curve_method,
        "pairs": num_pairs,
        "judged": scores.judged.num_judged,
        "gallery": {"left_to_right": rows.gallery[0], "right_to_left": rows.gallery[1]},
        "recall": curve.to_json(),
        "advice": curve.advice(FURTHER),
        "heldout": check,
    }
    ctx.out.write_json(SUMMARY, summary)
    paired = {side: sorted(p[n] for p in splits.pairs()) for n, side in enumerate(SIDES)}
    ctx.out.write_json(MODEL, {"model": model.to_json(), "paired": paired, "recall": summary["recall"]})
    ctx.note(summary["advice"])
    return _facts(summary)


@dataclass(frozen=True)
class _Scores:
    judged: OutOfFold
    curve: list[OutOfFold]
    curve_method: str


@dataclass(frozen=True)
class _Rows:
    """Rows in the shared space: held-out partners first, row t of both sides a pair, then others without a partner."""

    left: np.ndarray
    right: np.ndarray
    num_heldout: int
    gallery: tuple[int, int]
    spread: float

    @classmethod
    def read(cls, ctx: StepContext, splits: Splits) -> _Rows:
        seed = int(ctx.config["seed"])
        folder = folders_of(ctx.inputs, "method:")[ctx.config["exported"]]
        maps = Alignment(load_transform(folder, "left"), load_transform(folder, "right"))
        heldout = splits.heldout
        if len(heldout) > MAX_QUERIES:
            heldout = [heldout[n] for n in np.linspace(0, len(heldout) - 1, MAX_QUERIES).astype(int)]
        sides, samples, sizes = [], [], []
        for n, (side, mapping) in enumerate((("left", maps.left), ("right", maps.right))):
            rows, asked = Embeddings.read(ctx.inputs[f"encode-{side}"]), [p[n] for p in heldout]
            free = sorted(set(rows.ids) - {p[n] for p in splits.pairs()})
            others = sorted(set(free) - set(asked))
            sides.append(mapping(rows.rows(asked + _some(others, MAX_GALLERY - len(asked), seed))))
            unpaired = (splits.unpaired_left, splits.unpaired_right)[n]
            samples.append(mapping(rows.rows(_some(unpaired, MAX_SPREAD_ROWS, seed))))
            sizes.append(len(free))
        spread = float((samples[0] @ samples[1].T).std(dtype=np.float64))
        return cls(sides[0], sides[1], len(heldout), (sizes[1], sizes[0]), spread)


def _some(ids: list[str], limit: int, seed: int) -> list[str]:
    if len(ids) <= limit:
        return ids
    return [ids[n] for n in np.sort(np.random.default_rng(seed).choice(len(ids), limit, replace=False))]


def _out_of_fold(ctx: StepContext, splits: Splits) -> _Scores:
    """Scores of the exported method, from its own step if that has them, and a learning curve."""
    own, light = exported_refit(ctx.config), curve_refit(ctx.config)
    folder = ctx.inputs[f"method:{ctx.config['method']}"]
    same = own.name == light.name
    curve = _cross_fit(ctx, splits, light, CURVE)
    if same:
        return _Scores(curve[-1], curve, light.name)
    if folder.exists(FILE) and not ctx.config.get("hubness"):
        return _Scores(load_blocks(folder), curve, light.name)
    return _Scores(_cross_fit(ctx, splits, own, (1.0,))[0], curve, light.name)


def _cross_fit(ctx: StepContext, splits: Splits, refit: Refit, fractions: tuple[float, ...]) -> list[OutOfFold]:
    world, pairs = fit_world(ctx, splits, spectral=refit.spectral), splits.pairs()
    return cross_fit(
        refit.aligner,
        *world.unpaired(pairs),
        world.pairs(pairs),
        seed=int(ctx.config["seed"]),
        fractions=fractions,
        distractors=refit.distractors,
    )


def _calibrate(judged: OutOfFold, curve: LearningCurve, rows: _Rows, seed: int) -> Confidence:
    """The calibration of out-of-fold scores, for the exported fit: its own spread, and more pairs than a fold's fit."""
    grown = curve.slope.mean * np.log(judged.num_pairs / judged.num_fit)
    fitted = fit_confidence(judged, seed=seed).shifted(float(grown))
    return fitted.with_spread(rows.spread) if rows.spread > 0 else fitted


def _check(model: Confidence, scores: _Scores, rows: _Rows, curve: LearningCurve, seed: int) -> dict[str, Any]:
    """What the held-out pairs say to the promises, in the same gallery (a part of it if it is big)."""
    gallery = (len(rows.right), len(rows.left))
    same = gallery == rows.gallery
    promised = curve if same else learning_curve(scores.judged, scores.curve, gallery, further=[], seed=seed)
    num, sides = rows.num_heldout, ((rows.left, rows.right), (rows.right, rows.left))
    found = [judge_first(model, *_first_matches(a, b, num)) for a, b in sides]
    ranks = np.concatenate([rank_partners(a[:num], b).rank for a, b in sides])
    recall = {
        f"R@{k}": {**promised.to_json()[f"R@{k}"]["now"], "measured": recall_at(ranks, k), **_bounds(ranks, k)}
        for k in KS
    }
    calibration = reliability(*(np.concatenate(part) for part in zip(*found, strict=True)))
    return {"queries": num, "gallery": list(gallery), "recall": recall, "calibration": calibration.to_json()}


def _bounds(ranks: np.ndarray, k: int) -> dict[str, list[float]]:
    """Interval of the measured recall, as of so many pairs; the two directions are not independent."""
    num = len(ranks) // 2
    return {"measured_ci95": [100 * v for v in wilson_interval(float(np.mean(ranks <= k)) * num, num)]}


def _first_matches(queries: np.ndarray, gallery: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the first ``num`` queries against the gallery, and of their first matches against all queries."""
    scores = queries[:num] @ gallery.T
    return scores, gallery[scores.argmax(axis=1)] @ queries.T


def _facts(summary: dict[str, Any]) -> Facts:
    estimated = {f"estimated R@{k}": summary["recall"][f"R@{k}"]["now"]["value"] for k in KS}
    check = summary["heldout"]
    measured = {f"measured R@{k}": check["recall"][f"R@{k}"]["measured"] for k in KS}
    calibration = {name: check["calibration"][name] for name in ("ece", "brier", "brier_base")}
    return {**estimated, **measured, **calibration, "advice": summary["advice"]}
