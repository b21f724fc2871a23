"""Small worlds with a known truth for the tests of few-pair aligners."""

from __future__ import annotations

import numpy as np

from components.alignment.preprocess import Standardizer
from components.alignment.protocol import Alignment, Pairs
from components.evaluation.retrieval import RetrievalMetrics, measure, rank_partners


class SmallWorld:
    """Standardised rows: ``left``, ``right`` unpaired and disjoint, ``pairs`` known, ``new`` held out."""

    def __init__(self, kind: str, *, unpaired: int = 300, pairs: int = 60, heldout: int = 120, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        view = VIEWS[kind]
        sizes = (unpaired, unpaired, pairs, heldout)
        x, y = view(sum(sizes), rng)
        a, b, c = np.cumsum(sizes)[:3]
        left, right = Standardizer.fit(x[:a]), Standardizer.fit(y[a:b])
        self.left, self.right = left(x[:a]), right(y[a:b])
        self.pairs = Pairs(left(x[b:c]), right(y[b:c]))
        self.new = Pairs(left(x[c:]), right(y[c:]))

    def measured(self, fitted: Alignment) -> RetrievalMetrics:
        """On the held-out pairs, left to right."""
        return measure(rank_partners(fitted.transform_left(self.new.left), fitted.transform_right(self.new.right)))

    def foscttm(self, fitted: Alignment) -> float:
        return self.measured(fitted).foscttm


def _hidden(n: int, rng: np.random.Generator, dim: int = 6) -> np.ndarray:
    centres = np.random.default_rng(7).normal(size=(8, dim)) * 2
    return centres[rng.integers(0, 8, n)] + rng.normal(size=(n, dim))


def _linear(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    z = _hidden(n, rng)
    maps = [np.random.default_rng(s).normal(size=(6, d)) for s, d in ((11, 20), (12, 16))]
    left, right = (z @ m + 0.3 * rng.normal(size=(n, m.shape[1])) for m in maps)
    return left, right


def _curved(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A one-dimensional curve that either side winds up in its own way: near in one view is near in the other."""
    t = rng.uniform(0, 1, n)
    sides = []
    for s in (21, 22):
        own = np.random.default_rng(s)
        frequency, phase = own.normal(size=(1, 60)) * 60, own.uniform(0, 2 * np.pi, 60)
        sides.append(np.cos(t[:, None] * frequency + phase) + 0.05 * rng.normal(size=(n, 60)))
    return sides[0], sides[1]


def _clusters(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ten clusters with unrelated centres in the two views and much noise around them."""
    label = rng.integers(0, 10, n)
    sides = [np.random.default_rng(s).normal(size=(10, 40))[label] + 1.2 * rng.normal(size=(n, 40)) for s in (31, 32)]
    return sides[0], sides[1]


def _noise(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(n, 20)), rng.normal(size=(n, 16))


VIEWS = {"linear": _linear, "curved": _curved, "clusters": _clusters, "noise": _noise}
