"""Wasserstein Procrustes: alternate an assignment between unpaired rows and the rotation that fits it.

The start follows the Shared Geometry recipe: k-means centres of both sides are matched by a quadratic assignment of
their kernels (= linear CKA of the centres) plus a linear term that counts known pairs between clusters; of several
repeats the one goes on that brings the two corpora closest to each other. Then rounds of T = Hungarian assignment of a
random block, W = polar(XᵀTY + (b/P) X̂ᵀŶ): the pairs together weigh as much as a block, and with no pairs at all it
still runs.
Letters: ``N`` rows, ``C`` centres, ``b`` rows of a block, ``K`` shared columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.alignment.checks import check_rows
from components.alignment.linalg import thin_svd
from components.alignment.procrustes import project
from components.alignment.protocol import Alignment, Pairs
from components.checks import check_range
from components.errors import UserError
from components.transforms import Chain, UnitRows, unit_rows

MAX_CLUSTER_ROWS = 10_000
TRIAL_ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class WassersteinProcrustes:
    """Config of Wasserstein Procrustes.

    Attributes:
        dim: principal components of each side that are matched.
        centres: of k-means, C.
        repeats: of k-means and quadratic assignment.
        restarts: random starts of each quadratic assignment besides that of the pairs.
        rounds: of assignment and rotation.
        block: rows of each side in a round, b.
        seed: of everything random.
    """

    dim: int = 64
    centres: int = 30
    repeats: int = 10
    restarts: int = 10
    rounds: int = 20
    block: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "repeats", "restarts"):
            check_range(name, getattr(self, name), 1)
        check_range("centres", self.centres, 2)
        check_range("rounds", self.rounds, 0)
        check_range("block", self.block, 2, 10_000)

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Fit on unpaired rows [N1, D1], [N2, D2] and any number of pairs, none included.

        Raises:
            UserError: fewer unpaired rows than centres on a side, non-finite or all-equal rows.
        """
        for name, rows in (("left", left), ("right", right)):
            check_rows(rows, f"the unpaired {name} rows")
            if len(rows) < self.centres:
                raise UserError(f"{len(rows)} unpaired {name} rows for {self.centres} centres", do="lower centres")
        rng = np.random.default_rng(self.seed)
        axes = tuple(_axes(rows, self.dim) for rows in (left, right))
        x, y = (unit_rows(rows) @ a for rows, a in zip((left, right), axes, strict=True))
        known = Pairs(unit_rows(pairs.left) @ axes[0], unit_rows(pairs.right) @ axes[1]) if len(pairs) else None
        cross = self._start(x, y, known, rng)
        for _ in range(self.rounds):
            cross = self._round(x, y, known, cross, rng).cross
        svd = thin_svd(cross, rank_tolerance=1e-7)
        left_map, right_map = axes[0] @ svd.u, axes[1] @ svd.vt.T
        return Alignment(_project(left_map), _project(right_map), {"rank": len(svd.s), "pairs": len(pairs)})

    def _start(self, x: np.ndarray, y: np.ndarray, known: Pairs | None, rng: np.random.Generator) -> np.ndarray:
        """Cross-covariance [K1, K2] that matches blocks best after two rounds, of those of all repeats."""
        best, closest, seed = np.zeros((x.shape[1], y.shape[1])), -np.inf, int(rng.integers(2**31))
        for _ in range(self.repeats):
            a, b = (_centres(rows, self.centres, rng) for rows in (x, y))
            match = match_centres(a, b, _counts(a, b, known), self.restarts, rng)
            a, b = a - a.mean(axis=0), b[match.rows] - b.mean(axis=0)
            cross, same = a.T @ b / len(a) + _of_pairs(known), np.random.default_rng(seed)
            for _ in range(TRIAL_ROUNDS):
                cross = self._round(x, y, known, cross, same).cross
            now = self._round(x, y, known, cross, same).closeness
            if now > closest:
                best, closest = cross, now
        return best

    def _round(
        self, x: np.ndarray, y: np.ndarray, known: Pairs | None, cross: np.ndarray, rng: np.random.Generator
    ) -> Round:
        from scipy.optimize import linear_sum_assignment

        svd = thin_svd(cross, rank_tolerance=1e-7)
        size = min(self.block, len(x), len(y))
        a, b = x[rng.permutation(len(x))[:size]], y[rng.permutation(len(y))[:size]]
        cosine = unit_rows(a @ svd.u) @ unit_rows(b @ svd.vt.T).T
        rows, match = linear_sum_assignment(-cosine)
        return Round(a.T @ b[match] / size + _of_pairs(known), float(cosine[rows, match].mean()))


@dataclass(frozen=True)
class Round:
    """Cross-covariance [K1, K2] of a matched block and the pairs, and the mean cosine of what was matched."""

    cross: np.ndarray
    closeness: float


@dataclass(frozen=True)
class Match:
    """Row i goes with row ``rows[i]``; ``value`` is the objective, at most 1 without pairs and 2 with. [C]"""

    rows: np.ndarray
    value: float


def match_centres(a: np.ndarray, b: np.ndarray, counts: np.ndarray, restarts: int, rng: np.random.Generator) -> Match:
    """Permutation π that maximises Σ_ij K_ij L_π(i)π(j) + Σ_i counts_iπ(i) for the kernels of centred, scaled centres
    ``a`` [C, K1], ``b`` [C, K2]: best of several starts (FAQ: Vogelstein et al. 2015), each improved by swaps."""
    from scipy.optimize import linear_sum_assignment, quadratic_assignment

    problem = _Matching(_kernel(a), _kernel(b), counts)
    # FAQ knows no linear term: the pairs make a start of their own, and have their say in the swaps and the choice.
    starts = [linear_sum_assignment(-counts)[1]] if counts.any() else []
    for n in range(restarts):
        options = {"rng": rng, "maximize": True, "P0": "randomized" if n else "barycenter"}
        starts.append(quadratic_assignment(problem.left, problem.right, method="faq", options=options).col_ind)
    found = [problem.improved(start) for start in starts]
    values = [problem.value(match) for match in found]
    return Match(found[int(np.argmax(values))], max(values))


@dataclass(frozen=True)
class _Matching:
    """A quadratic assignment problem with a linear term."""

    left: np.ndarray
    right: np.ndarray
    counts: np.ndarray

    def value(self, match: np.ndarray) -> float:
        linear = self.counts[np.arange(len(match)), match].sum()
        return float((self.left * self.right[np.ix_(match, match)]).sum() + linear)

    def improved(self, match: np.ndarray) -> np.ndarray:
        """``match`` after the best swap of each centre in turn, until no swap helps."""
        match, value, better = match.copy(), self.value(match), True
        while better:
            better = False
            for i in range(len(match) - 1):
                values = [self.value(_swapped(match, i, j)) for j in range(i + 1, len(match))]
                if max(values) > value + 1e-9:
                    match, value, better = _swapped(match, i, i + 1 + int(np.argmax(values))), max(values), True
        return match


def _swapped(match: np.ndarray, i: int, j: int) -> np.ndarray:
    trial = match.copy()
    trial[[i, j]] = trial[[j, i]]
    return trial


def _kernel(centres: np.ndarray) -> np.ndarray:
    """Linear kernel of the centred centres, of unit norm. [C, C]"""
    c = centres - centres.mean(axis=0)
    kernel = c @ c.T
    return np.asarray(kernel / max(float(np.linalg.norm(kernel)), 1e-12))


def _of_pairs(known: Pairs | None) -> np.ndarray:
    return np.zeros(()) if known is None else np.asarray(known.left.T @ known.right / len(known))


def _counts(a: np.ndarray, b: np.ndarray, known: Pairs | None) -> np.ndarray:
    """Share of the known pairs between the clusters of ``a`` and ``b``; sums to 1. [C, C]"""
    counts = np.zeros((len(a), len(b)))
    if known is not None:
        np.add.at(counts, (_nearest(known.left, a), _nearest(known.right, b)), 1 / len(known))
    return counts


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.asarray(((centres**2).sum(axis=1) - 2 * rows @ centres.T).argmin(axis=1))


def _centres(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """k-means centres of a sample of the rows. [C, K]"""
    from sklearn.cluster import KMeans

    sample = rows[rng.permutation(len(rows))[:MAX_CLUSTER_ROWS]]
    means = KMeans(count, n_init=1, max_iter=50, random_state=int(rng.integers(2**31))).fit(sample)
    return np.asarray(means.cluster_centers_, dtype=np.float64)


def _axes(rows: np.ndarray, dim: int) -> np.ndarray:
    """Leading principal axes of the unit rows. [D, K]"""
    unit = unit_rows(rows).astype(np.float64)
    values, vectors = np.linalg.eigh(unit.T @ unit)
    kept = np.argsort(-values, kind="stable")[:dim]
    return np.asarray(vectors[:, kept])


def _project(axes: np.ndarray) -> Chain:
    return Chain([UnitRows(), *project(axes).parts])
