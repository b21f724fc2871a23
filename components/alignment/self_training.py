"""Gated self-training: the map's own mutual matches among unpaired rows join the pairs, if that helps held-out pairs.

A round scores seeded blocks of unpaired rows with the current map, takes an entropic optimal transport plan between
them as soft matches T, and refits semi-supervised CCA with Σ_xy = (1 - w) X̂ᵀŶ/P + w XᵀTY. The plan is balanced, or
unbalanced where the sides' contents differ. The number of rounds is a hyperparameter with 0 among its values, chosen by
cross-validation on the known pairs: without that gate the method hurts wherever few items of one side have a partner on
the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.alignment.protocol import Alignment, Pairs
from components.alignment.semi_cca import Reduced, Spectrum, canonical_path, cross_covariance, reduce_world
from components.alignment.tuned import Build, Candidate, Family, TunedAligner, Unpaired, named
from components.checks import check_range
from components.transport.numpy_plan import balanced_plan

GAMMA = 1.0
MAX_SWEEPS = 100


@dataclass(frozen=True, kw_only=True)
class SelfTraining(TunedAligner):
    """Config of gated self-training.

    Attributes:
        rounds: candidates for the number of rounds; 0 is semi-supervised CCA itself and is always tried.
        shrinkages: candidates for the shrinkage of semi-supervised CCA.
        weight: w, of the soft matches in the cross-covariance.
        block: unpaired rows of each side that are matched in a round.
        epsilon: entropy of the plan, in units of the cosine.
        rho: price of a row's mass that stays unmatched; None matches all of it (balanced).
        seed: of the blocks and of the cross-validation folds.
    """

    name: ClassVar[str] = "self-training"
    rounds: tuple[int, ...] = (0, 1, 2, 3, 4)
    shrinkages: tuple[float, ...] = (0.9, 0.5)
    weight: float = 0.5
    block: int = 500
    epsilon: float = 0.05
    rho: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for count in self.rounds:
            check_range("rounds", count, 0, 20)
        for shrinkage in self.shrinkages:
            check_range("shrinkages", shrinkage, 0, 1, above=True)
        check_range("weight", self.weight, 0, 1)
        check_range("block", self.block, 2, 10_000)
        check_range("epsilon", self.epsilon, 0, above=True)
        check_range("rho", self.rho, 0, above=True, optional=True)

    def family(self, world: Unpaired, dims: tuple[int, int]) -> Family:
        reduced = reduce_world(world, dims, self.seed)
        return Family(
            views=reduced.views,
            variants=(reduced.variant,),
            grid=tuple(Candidate(0, (n, e)) for n in dict.fromkeys((0, *self.rounds)) for e in self.shrinkages),
            path=lambda _, pairs: self._path(pairs, reduced),
            describe=named("rounds", "shrinkage"),
        )

    def _path(self, pairs: Pairs, reduced: Reduced) -> Build:
        """The result builds the alignment of any ``(rounds, shrinkage)``; more rounds go on from fewer."""
        known, spectra = cross_covariance(pairs), reduced.spectra(pairs)
        runs: dict[float, list[Alignment]] = {}

        def build(params: tuple[int, float]) -> Alignment:
            rounds, shrinkage = params
            final = (shrinkage, GAMMA)
            run = runs.setdefault(shrinkage, [canonical_path(spectra, known, None)(final)])
            can_match = min(len(reduced.left), len(reduced.right)) > 1
            while len(run) <= rounds and can_match:
                found = self._matched(run[-1], reduced, spectra, len(run))
                # Both estimates count by their share of the weight, not by their size.
                scale = np.linalg.norm(known) / max(float(np.linalg.norm(found)), 1e-12)
                cross = (1 - self.weight) * known + self.weight * scale * found
                run.append(canonical_path(spectra, cross, None)(final))
            fitted = run[min(rounds, len(run) - 1)]
            return Alignment(fitted.left, fitted.right, {"pairs": len(pairs)})

        return build

    def _matched(
        self, fitted: Alignment, reduced: Reduced, spectra: tuple[Spectrum, Spectrum], number: int
    ) -> np.ndarray:
        """Cross-covariance of soft matches between the blocks of round ``number``. [D1, D2]"""
        rng = np.random.default_rng([self.seed, number])
        x, y = (rows[rng.permutation(len(rows))[: self.block]] for rows in (reduced.left, reduced.right))
        plan = soft_matches(fitted.score(x, y), self.epsilon, self.rho)
        return np.asarray((x - spectra[0].mean).T @ plan @ (y - spectra[1].mean))


def soft_matches(scores: np.ndarray, epsilon: float, rho: float | None) -> np.ndarray:
    """Entropic plan [N, M] for ``scores`` [N, M], of mass 1."""
    if rho is None:
        return balanced_plan(scores, epsilon, sweeps=MAX_SWEEPS)
    import torch

    from components.transport.config import SinkhornConfig
    from components.transport.sinkhorn import sinkhorn

    config = SinkhornConfig(epsilon=epsilon, rho_rows=rho, rho_columns=rho, iterations=MAX_SWEEPS, tolerance=1e-4)
    plan = sinkhorn(torch.from_numpy(scores.astype(np.float64)), config=config).plan.numpy()
    return np.asarray(plan / max(float(plan.sum()), 1e-300))
