"""Gated self-training: the map's own mutual matches among unpaired rows join the pairs, if that helps held-out pairs.

A round scores seeded blocks of unpaired rows with the current map, takes an entropic optimal transport plan (Sinkhorn)
between them as soft matches T, and refits semi-supervised CCA with Σ_xy = (1 - w) X̂ᵀŶ/P + w XᵀTY. The number of rounds
is a hyperparameter with 0 among its values, chosen by cross-validation on the known pairs: without that gate the
method hurts wherever few items of one side have a partner on the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment.checks import check_range
from components.alignment.protocol import Alignment, Pairs
from components.alignment.semi_cca import Reduced, canonical_path, cross_covariance, reduce_world
from components.alignment.tuned import Candidate, Family, TunedAligner, Unpaired

TEMPERATURE = 0.05
SINKHORN_STEPS = 50
GAMMA = 1.0


@dataclass(frozen=True, kw_only=True)
class SelfTraining(TunedAligner):
    """Config of gated self-training.

    Attributes:
        rounds: candidates for the number of rounds; 0 is semi-supervised CCA itself and is always tried.
        shrinkages: candidates for the shrinkage of semi-supervised CCA.
        weight: w, of the soft matches in the cross-covariance.
        block: unpaired rows of each side that are matched in a round.
        seed: of the blocks and of the cross-validation folds.
    """

    name: ClassVar[str] = "self-training"
    rounds: tuple[int, ...] = (0, 1, 3)
    shrinkages: tuple[float, ...] = (0.9, 0.5)
    weight: float = 0.5
    block: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        for count in self.rounds:
            check_range("rounds", count, 0, 20)
        for shrinkage in self.shrinkages:
            check_range("shrinkages", shrinkage, 0, 1, above=True)
        check_range("weight", self.weight, 0, 1)
        check_range("block", self.block, 2, 10_000)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        reduced = reduce_world(world, dims, self.seed)
        return Family(
            views=reduced.views,
            variants=(reduced.variant,),
            grid=tuple(Candidate(0, (n, e)) for n in dict.fromkeys((0, *self.rounds)) for e in self.shrinkages),
            path=lambda _, pairs: lambda params: self._train(params, pairs, reduced),
            describe=lambda c: {"rounds": c.params[0], "shrinkage": c.params[1]},
        )

    def _train(self, params: tuple[int, float], pairs: Pairs, reduced: Reduced) -> Alignment:
        known, rng, final = cross_covariance(pairs), np.random.default_rng(self.seed), (params[1], GAMMA)
        spectra = reduced.spectra(pairs)
        fitted = canonical_path(spectra, known, None)(final)
        rows = (reduced.left, reduced.right)
        for _ in range(params[0] if min(map(len, rows)) > 1 else 0):
            x, y = (r[rng.permutation(len(r))[: self.block]] for r in rows)
            plan = sinkhorn_plan(fitted.score(x, y), TEMPERATURE)
            found = (x - spectra[0].mean).T @ plan @ (y - spectra[1].mean)
            # Both estimates count by their share of the weight, not by their size.
            scale = np.linalg.norm(known) / max(float(np.linalg.norm(found)), 1e-12)
            fitted = canonical_path(spectra, (1 - self.weight) * known + self.weight * scale * found, None)(final)
        return Alignment(fitted.left, fitted.right, {"pairs": len(pairs)})


def sinkhorn_plan(scores: np.ndarray, temperature: float, steps: int = SINKHORN_STEPS) -> np.ndarray:
    """Entropic plan [N, M] of uniform marginals for ``scores`` [N, M] (Cuturi 2013), in the kernel domain with a shift;
    sums to 1, columns exactly, rows up to convergence."""
    kernel = np.exp((scores - scores.max()) / temperature).astype(np.float64) + 1e-300
    row, column = np.full(len(scores), 1 / len(scores)), np.full(scores.shape[1], 1 / scores.shape[1])
    v = np.ones(scores.shape[1])
    for _ in range(steps):
        u = row / (kernel @ v)
        v = column / (kernel.T @ u)
    return np.asarray(u[:, None] * kernel * v)
