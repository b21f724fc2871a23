"""The alignability gauge: do two corpora share geometry at all? Answered on the known pairs, before anything is fitted.

Debiased linear CKA (Song et al. 2012; Kornblith et al. 2019) and mutual k-nearest neighbours (Huh et al. 2024), each
against the null in which the pairs are permuted. Letters: ``P`` pairs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from components.alignment.checks import check_rows
from components.errors import UserError
from components.transforms import unit_rows

MAX_PAIRS = 1000
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Null:
    """The statistic under permuted pairs: ``mean``, ``sd``, and ``p`` = (1 + #{null >= observed}) / (1 + #null)."""

    mean: float
    sd: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """What the pairs say about shared geometry.

    Attributes:
        cka: debiased linear CKA; 0 for unrelated rows, 1 for rotated copies; may be slightly negative.
        mutual_knn: mean fraction of common neighbours among the ``k`` nearest.
        k: neighbours, 10 or fewer when there are few pairs.
        pairs: number of pairs used.
        null: statistic name -> its permutation null.
        level: ``strong``, ``moderate``, ``weak`` or ``none``.
        verdict: one sentence.
    """

    cka: float
    mutual_knn: float
    k: int
    pairs: int
    null: dict[str, Null]
    level: str
    verdict: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def gauge(left: np.ndarray, right: np.ndarray, *, seed: int = 0, num_permutations: int = 500) -> Gauge:
    """Gauge paired rows ``left`` [P, D1], ``right`` [P, D2], each centred on its corpus' mean and of unit length.

    Of more than 1,000 pairs a seeded sample is used. Raises UserError for fewer than 5 pairs, non-finite or all-equal
    rows.
    """
    check_rows(left, "the paired left rows")
    check_rows(right, "the paired right rows")
    if len(left) != len(right) or len(left) < 5:
        raise UserError(f"{min(len(left), len(right))} pairs are too few for the gauge", do="give at least 5 pairs")
    rng = np.random.default_rng(seed)
    if len(left) > MAX_PAIRS:
        rows = rng.choice(len(left), MAX_PAIRS, replace=False)
        left, right = left[rows], right[rows]
    k = min(10, max(1, (len(left) - 1) // 3))
    kernels = [_Gram.of(x) for x in (left, right)]
    masks = [neighbour_mask(x, k) for x in (left, right)]
    scale = np.sqrt(max(_hsic(kernels[0], kernels[0]), 0) * max(_hsic(kernels[1], kernels[1]), 0))
    cka = _ratio(_hsic(*kernels), scale)
    knn = _overlap(masks[0], masks[1], k)
    orders = [rng.permutation(len(left)) for _ in range(num_permutations)]
    null = {
        "cka": null_of(cka, np.array([_ratio(_hsic(kernels[0], kernels[1].permuted(o)), scale) for o in orders])),
        "mutual_knn": null_of(knn, np.array([_overlap(masks[0], masks[1][np.ix_(o, o)], k) for o in orders])),
    }
    level = _level(cka, null)
    found = Gauge(cka=cka, mutual_knn=knn, k=k, pairs=len(left), null=null, level=level, verdict="")
    return replace(found, verdict=_verdict(found))


def debiased_cka(left: np.ndarray, right: np.ndarray) -> float:
    """Debiased linear CKA of paired rows [P, D1], [P, D2]; needs P >= 4 (ValueError otherwise).

    HSIC₁(K, L) = [tr(K̃L̃) + (1ᵀK̃1)(1ᵀL̃1)/((P-1)(P-2)) - 2·1ᵀK̃L̃1/(P-2)] / (P(P-3)) with zeroed diagonals;
    CKA = HSIC₁(K, L) / √(HSIC₁(K, K) HSIC₁(L, L)). The biased form is inflated at 50-500 pairs.
    """
    if len(left) < 4:
        raise ValueError(f"debiased CKA needs 4 pairs, got {len(left)}")
    k, m = _Gram.of(left), _Gram.of(right)
    return _ratio(_hsic(k, m), np.sqrt(max(_hsic(k, k), 0) * max(_hsic(m, m), 0)))


def mutual_knn(left: np.ndarray, right: np.ndarray, k: int = 10) -> float:
    """Mean over pairs of |N_k(left) ∩ N_k(right)| / k on cosine neighbours, self excluded; chance k/(P-1)."""
    return _overlap(neighbour_mask(left, k), neighbour_mask(right, k), k)


def neighbour_mask(rows: np.ndarray, k: int) -> np.ndarray:
    """bool [P, P]: which rows are among the ``k`` nearest of each row by cosine, self excluded; ties by index."""
    unit = unit_rows(rows).astype(np.float64)
    cosine = np.round(unit @ unit.T, 6)  # equal rows must tie exactly
    np.fill_diagonal(cosine, -np.inf)
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    mask = np.zeros(cosine.shape, dtype=bool)
    np.put_along_axis(mask, nearest, True, axis=1)
    return mask


@dataclass(frozen=True)
class _Gram:
    """Linear kernel with zeroed diagonal, and its row sums."""

    matrix: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> _Gram:
        x = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)  # HSIC₁ is shift-invariant; rounding is not
        matrix = x @ x.T
        np.fill_diagonal(matrix, 0.0)
        return cls(matrix, matrix.sum(axis=1))

    def permuted(self, order: np.ndarray) -> _Gram:
        return _Gram(self.matrix[np.ix_(order, order)], self.sums[order])


def _hsic(k: _Gram, m: _Gram) -> float:
    p = len(k.sums)
    trace = np.einsum("ij,ij->", k.matrix, m.matrix)
    mixed = k.sums.sum() * m.sums.sum() / ((p - 1) * (p - 2)) - 2 * k.sums @ m.sums / (p - 2)
    return float((trace + mixed) / (p * (p - 3)))


def _ratio(value: float, scale: float) -> float:
    return float(value / scale) if scale > 0 else 0.0


def _overlap(a: np.ndarray, b: np.ndarray, k: int) -> float:
    return float((a & b).sum() / (k * len(a)))


def null_of(observed: float, values: np.ndarray) -> Null:
    """Null of a statistic that is large where there is something, from its ``values`` under permutation."""
    p = (1 + int((values >= observed - 1e-12).sum())) / (1 + len(values))
    return Null(float(values.mean()), float(values.std()), float(p))


def _level(cka: float, null: dict[str, Null]) -> str:
    """Thresholds on CKA where published comparisons change their order; significance first."""
    if min(n.p for n in null.values()) > SIGNIFICANT:
        return "none"
    return "strong" if cka >= 0.5 else "moderate" if cka > 0.3 else "weak"


_MEANING = {
    "strong": "strong shared geometry; expect even few pairs to go far and unpaired rows to help",
    "moderate": "moderate shared geometry; the known pairs carry most of the result",
    "weak": "weak shared geometry; expect modest recall and no gain from unpaired rows",
    "none": "no shared geometry above that of shuffled pairs; expect chance, and check the pairs and the encoders",
}


def _verdict(g: Gauge) -> str:
    cka, knn = g.null["cka"], g.null["mutual_knn"]
    return (
        f"CKA {g.cka:.2f} (shuffled {cka.mean:.2f} ± {cka.sd:.2f}, p = {cka.p:.3f}), "
        f"mutual {g.k}-NN {g.mutual_knn:.2f} (shuffled {knn.mean:.2f}, p = {knn.p:.3f}) "
        f"on {g.pairs} pairs: {_MEANING[g.level]}"
    )
