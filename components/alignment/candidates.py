"""The methods that ``auto`` tries, one at a time: judged by nested cross-validation, fitted on all pairs.

Candidates know nothing of each other, so they can run as branches of a graph and be cached one by one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.alignment.asif import Asif
from components.alignment.checks import check_fit
from components.alignment.families import csa_family, kernel_ridge_family, procrustes_family
from components.alignment.functional_map import FunctionalMap
from components.alignment.fused import FusedCSA, FusedKernelRidge
from components.alignment.nested import Block, PairScores, nested, rank_pairs
from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_map import RidgeMap
from components.alignment.self_training import SelfTraining
from components.alignment.spectral_transport import SpectralTransport
from components.alignment.tuned import Ground, MakeFamily, make_ground, with_views
from components.alignment.views import Views
from components.checks import check_one_of

FEWEST_PAIRS = 10


@dataclass(frozen=True)
class Entry:
    """A candidate.

    Attributes:
        make: how its family is made.
        spectral: it wants a graph.
        linear: it is a simple linear map.
        costly: given up after the first draw of the pairs if it is far behind there.
        version: raised whenever its results change, so that its cached fits are made again.
    """

    make: MakeFamily
    spectral: bool = False
    linear: bool = False
    costly: bool = False
    version: str = "1"


CANDIDATES: dict[str, Entry] = {
    "procrustes": Entry(procrustes_family, linear=True),
    "csa": Entry(csa_family, linear=True),
    "ridge-map": Entry(RidgeMap().family, linear=True),
    "kernel-ridge": Entry(kernel_ridge_family),
    "asif": Entry(Asif().family),
    "fused-kernel-ridge": Entry(FusedKernelRidge().family, spectral=True, version="2"),
    "fused-csa": Entry(FusedCSA().family, spectral=True, version="2"),
    "functional-map": Entry(FunctionalMap().family, spectral=True, costly=True, version="2"),
    "spectral-transport": Entry(SpectralTransport().family, spectral=True, costly=True),
    "self-training": Entry(SelfTraining(rounds=(0, 1, 3), shrinkages=(0.9,)).family, costly=True, version="2"),
}
LINEAR = tuple(name for name, entry in CANDIDATES.items() if entry.linear)


@dataclass(frozen=True)
class CandidateFit:
    """One candidate, judged and fitted on all pairs.

    Attributes:
        name: of ``CANDIDATES``.
        alignment: of the encoders' rows, hyperparameters chosen on all pairs; no hubness correction.
        inner: the same, of the rows of ``views``.
        views: the spectral views of both sides; the plain ones if it uses no graph.
        blocks: out-of-fold scores, hyperparameters chosen inside each fold.
        seconds: CPU time.
    """

    name: str
    alignment: Alignment
    inner: Alignment
    views: Views
    blocks: tuple[Block, ...]
    seconds: float

    @property
    def cv(self) -> PairScores:
        """Out-of-fold standing of every pair."""
        return rank_pairs(self.blocks)

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        return self.alignment.diagnostics


def fit_candidate(
    name: str, left: np.ndarray, right: np.ndarray, pairs: Pairs, *, seed: int, ground: Ground | None = None
) -> CandidateFit:
    """Judge one candidate by nested cross-validation and fit it on all pairs.

    Args:
        name: of ``CANDIDATES``.
        left, right: unpaired rows [N1, D1], [N2, D2], without the items of the pairs.
        pairs: at least 10.
        seed: equal for all candidates that :func:`choose` is to compare.
        ground: ``make_ground(left, right, seed=seed)``, with views if somebody has them already.

    Raises:
        UserError: unknown name, too few pairs, or too few unpaired rows for a graph.
    """
    check_one_of("candidates", name, CANDIDATES)
    check_fit(left, right, pairs, needed=FEWEST_PAIRS, why="cross-validation of candidates")
    start, entry = time.process_time(), CANDIDATES[name]
    ground = ground or make_ground(left, right, seed=seed)
    tuned = nested(entry.make, with_views(ground) if entry.spectral else ground, pairs, seed=seed)
    return CandidateFit(name, tuned.alignment, tuned.inner, tuned.views, tuned.blocks, time.process_time() - start)
