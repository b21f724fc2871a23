"""What the model will find in the user's own gallery, and what more pairs would bring.

Recall out of fold is measured with fits on nested subsets of the known pairs. Odds of being found grow about as a power
of the number of pairs: logit(recall) = c + s log(pairs). The slope carries the recall of the fits, which lacked a fold,
on to all pairs, and further to more pairs than there are. It is taken at the number of answers where about a third is
found, neither too few nor nearly all, so that it can be measured; and combined with what is usual, s = .75 ± .5: on
three picture-text corpora, 50 to 150 pairs and three aligners it lay between .6 and .9. Intervals: bootstrap over the
pairs that were judged.
Letters: ``P`` pairs, ``F`` sizes of the curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluation.gallery_recall import KS, BeatenRates, beaten_rates
from components.evaluation.intervals import LEVEL, Interval, wilson_interval
from components.evaluation.out_of_fold import OutOfFold

NUM_RESAMPLES = 300
USUAL_SLOPE, SLOPE_SD = 0.75, 0.5
MEASURABLE = 0.35
DEEPEST = 0.05  # of the gallery
CLEAR_GAIN = 0.001
_EDGE = 1e-4  # recall is kept this far from 0 and 1, where its logit would be infinite


@dataclass(frozen=True)
class Growth:
    """Recall at ``k``, fractions in 0..1.

    Attributes:
        k: answers looked at.
        curve: mean recall with the pairs of each size of the curve. [F]
        now: with all pairs, in the user's gallery.
        more: number of further pairs -> recall that they would add.
    """

    k: int
    curve: list[float]
    now: Interval
    more: dict[int, Interval]


@dataclass(frozen=True)
class LearningCurve:
    """What was found and what is to come.

    Attributes:
        sizes: pairs of each fit of the curve. [F]
        slope: s, growth of the log odds of recall with the logarithm of the number of pairs.
        growths: by k.
    """

    sizes: list[float]
    slope: Interval
    growths: dict[int, Growth]

    def advice(self, further: int) -> str:
        """One sentence on what so many further pairs would bring, for the largest k."""
        growth = self.growths[max(self.growths)]
        gain, more = growth.more[further], f"{further} more known pairs"
        about = f"{_points(gain.mean)} more of 100 queries would have their partner among the first {growth.k}"
        bounds = f"95 % interval {_points(gain.low)} to {_points(gain.high)}"
        if gain.low <= CLEAR_GAIN:
            return f"{more} may bring little: about {about} ({bounds})."
        return f"With {more}, about {about} ({bounds})."

    def to_json(self) -> dict[str, Any]:
        """Percent; ``slope`` as it is."""
        growths = {
            f"R@{k}": {
                "now": _percent(g.now),
                "curve": [100 * v for v in g.curve],
                "more": {str(n): _percent(i) for n, i in g.more.items()},
            }
            for k, g in self.growths.items()
        }
        slope = {"value": self.slope.mean, "low": self.slope.low, "high": self.slope.high}
        return {"sizes": self.sizes, "slope": slope, **growths}


def learning_curve(
    judged: OutOfFold,
    curve: Sequence[OutOfFold],
    gallery: tuple[int, int],
    *,
    further: Sequence[int],
    seed: int,
    ks: Sequence[int] = KS,
) -> LearningCurve:
    """Recall now and with further pairs, for each of ``ks``.

    Args:
        judged: the exported method's out-of-fold scores.
        curve: fits on growing subsets of the same folds; of the exported method, or of a cheaper one whose slope
            stands for it. At least two sizes.
        gallery: rows that left and right queries are asked among.
        further: numbers of additional pairs to ask about.
        seed: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(judged.num_judged, size=(NUM_RESAMPLES, judged.num_judged))
    resamples = np.concatenate([np.arange(judged.num_judged)[None], draws])  # the first is the sample itself
    sizes = np.array([c.num_fit for c in curve])
    own, steps = beaten_rates(judged.blocks), [beaten_rates(c.blocks) for c in curve]
    slopes = _usual(_all_slopes(steps, np.log(sizes), gallery, resamples), rng)
    resampled = [own] + [own.take(rows) for rows in resamples[1:]]
    grown = slopes * np.log(judged.num_pairs / judged.num_fit)
    growths = {}
    for k in ks:
        start = _logit(np.array([r.recall(k, gallery).mean() for r in resampled]))
        now = _expit(start + grown)
        more = {n: _interval(_gain(now, slopes, judged.num_pairs, n)) for n in further}
        curved = [float(s.recall(k, gallery).mean()) for s in steps]
        growths[k] = Growth(k, curved, _no_narrower(_interval(now), judged.num_judged), more)
    return LearningCurve(sizes.tolist(), _interval(slopes), growths)


def _all_slopes(
    steps: Sequence[BeatenRates], log_sizes: np.ndarray, gallery: tuple[int, int], resamples: np.ndarray
) -> np.ndarray:
    """Slope of every resample. [B]"""
    deepest = max(1, round(DEEPEST * min(gallery)))
    ks = np.unique(np.geomspace(1, deepest, 12).round().astype(int))
    k = min((int(k) for k in ks), key=lambda k: abs(float(steps[-1].recall(k, gallery).mean()) - MEASURABLE))
    values = np.array([s.recall(k, gallery) for s in steps])  # [F, P]
    return _slopes(_logit(values[:, resamples].mean(axis=2)), log_sizes)


def _usual(slopes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slopes combined with the usual one, each by its precision; resamples get the spread of the posterior."""
    noise = float(slopes[1:].var())
    weight = SLOPE_SD**2 / (SLOPE_SD**2 + noise)
    combined = weight * slopes + (1 - weight) * USUAL_SLOPE
    combined[1:] += rng.normal(size=len(slopes) - 1) * np.sqrt(weight * (1 - weight) * noise)
    return np.asarray(combined)


def _gain(now: np.ndarray, slopes: np.ndarray, num_pairs: int, further: int) -> np.ndarray:
    return _expit(_logit(now) + slopes * np.log1p(further / num_pairs)) - now


def _slopes(logits: np.ndarray, log_sizes: np.ndarray) -> np.ndarray:
    """Least-squares slope of every column of ``logits`` [F, B]. [B]"""
    centred = log_sizes - log_sizes.mean()
    return np.asarray(centred @ logits / (centred @ centred))


def _logit(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(x / (1 - x)))


def _expit(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _interval(values: np.ndarray) -> Interval:
    """The sample's own value first, then those of the resamples."""
    low, high = np.quantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high), len(values) - 1)


def _no_narrower(value: Interval, num: int) -> Interval:
    """At least Wilson's interval of ``num`` queries: a bootstrap of few hits knows nothing of those it did not see."""
    low, high = wilson_interval(value.mean * num, num)
    return Interval(value.mean, min(low, value.low), max(high, value.high), value.num)


def _points(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def _percent(value: Interval) -> dict[str, float]:
    return {"value": 100 * value.mean, "low": 100 * value.low, "high": 100 * value.high}
