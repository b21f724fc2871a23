"""Generated pictures without human eyes, on features [N, F] of an encoder that the generator has not seen.

``T`` texts with a generated and a true picture each, the true ones being the gallery of recall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.evaluation.intervals import Interval, bootstrap_interval, t_interval
from components.evaluation.retrieval import rank_partners
from components.transforms import unit_rows

NEIGHBOURS = 3
NEAR = 0.05
"""Share of the held-out pictures that are nearer to a training picture than what counts as memorized."""


@dataclass(frozen=True)
class Retrieved:
    """Of T generated pictures: whether the true one is within the nearest k, and with the texts shuffled."""

    hits: np.ndarray
    shuffled: np.ndarray
    seed: int

    @property
    def recall(self) -> Interval:
        """Over texts, by bootstrap; in 0..1."""
        return bootstrap_interval(self.hits, lambda v: float(v.mean()), seed=self.seed)

    @property
    def control(self) -> Interval:
        """Over shuffles."""
        return t_interval(self.shuffled, bounds=(0, 1))

    @property
    def ratio(self) -> float:
        """Recall over that of shuffled texts."""
        return self.recall.mean / max(self.control.mean, 1e-9)


def retrieve_true(
    made: np.ndarray, true: np.ndarray, *, made_centre: np.ndarray, true_centre: np.ndarray, seed: int, k: int = 10
) -> Retrieved:
    """By cosine after centring; the control gives every text another one's picture, 100 times.

    Args:
        made, true: features of the generated and of the true pictures, row t for text t. [T, F]
        made_centre, true_centre: mean features of generated and of real training pictures [F]: what is common to all
            generated pictures (they are smoother) tells nothing.
    """
    queries, gallery = unit_rows(made - made_centre), unit_rows(true - true_centre)
    rng, size = np.random.default_rng(seed), len(true)
    shuffled = []
    for _ in range(100):
        order = rng.permutation(size)
        wrong = np.empty(size, np.int64)
        wrong[order] = np.roll(order, 1)  # one cycle: nobody keeps their own
        shuffled.append(float((rank_partners(queries[wrong], gallery).rank <= k).mean()))
    return Retrieved(rank_partners(queries, gallery).rank <= k, np.array(shuffled), seed)


def kernel_distance(real: np.ndarray, made: np.ndarray) -> float:
    """KID (Bińkowski et al. 2018): unbiased MMD² with the kernel (x·y/s + 1)³, so it may be below zero.

    s is the mean square length of the real rows; of Inception's features that is near their number, which KID takes.
    ``real`` [N, F], ``made`` [M, F], at least two rows each.
    """
    x, y = np.asarray(real, np.float64), np.asarray(made, np.float64)
    scale = float(np.square(x).sum(axis=1).mean()) or 1.0

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray((a @ b.T / scale + 1) ** 3)

    def within(a: np.ndarray) -> float:
        values = kernel(a, a)
        return float((values.sum() - np.trace(values)) / (len(a) * (len(a) - 1)))

    return within(x) + within(y) - 2 * float(kernel(x, y).mean())


@dataclass(frozen=True)
class Coverage:
    """``precision``: share of generated pictures that lie among the real ones; ``recall``: the other way round."""

    precision: float
    recall: float


def coverage(real: np.ndarray, made: np.ndarray, neighbours: int = NEIGHBOURS) -> Coverage:
    """Improved precision and recall (Kynkäänniemi et al. 2019): within any row's distance to its k-th neighbour."""
    return Coverage(_share_inside(made, real, neighbours), _share_inside(real, made, neighbours))


def _share_inside(rows: np.ndarray, manifold: np.ndarray, neighbours: int) -> float:
    among = distances(manifold, manifold)
    kept = min(neighbours, len(manifold) - 1)
    radius = np.partition(among, kept, axis=1)[:, kept]  # the nearest is the row itself
    return float((distances(rows, manifold) <= radius * (1 + 1e-6) + 1e-6).any(axis=1).mean())


@dataclass(frozen=True)
class Memorization:
    """How near generated pictures are to training pictures, against held-out real ones.

    Attributes:
        share: of generated pictures that are nearer than all but 5 % of the held-out ones; .05 is no memorization.
        nearer: probability that a generated picture is nearer than a held-out one; ½ is no memorization.
        nearest: row of the nearest training picture of each generated one [N].
    """

    share: float
    nearer: float
    nearest: np.ndarray


def memorization(made: np.ndarray, training: np.ndarray, heldout: np.ndarray) -> Memorization:
    """From features; see :class:`Memorization` (cf. Meehan et al. 2020, who test ``nearer``)."""
    to_training = distances(made, training)
    ours, theirs = to_training.min(axis=1), distances(heldout, training).min(axis=1)
    threshold = np.quantile(theirs, NEAR)
    below = (ours[:, None] < theirs).mean() + (ours[:, None] == theirs).mean() / 2
    return Memorization(float((ours < threshold).mean()), float(below), to_training.argmin(axis=1))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean, [N, M]."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    square = np.square(x).sum(1)[:, None] + np.square(y).sum(1) - 2 * x @ y.T
    return np.sqrt(np.maximum(square, 0))
