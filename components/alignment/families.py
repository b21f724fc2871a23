"""The pairs-only aligners that had their selection before there were families, as families."""

from __future__ import annotations

import numpy as np

from components.alignment import kernel_ridge, ridge_cca
from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Pairs
from components.alignment.tuned import Build, Candidate, Family, Unpaired, plain_views, raw_variant


def csa_family(world: Unpaired, dims: tuple[int, int]) -> Family:
    """Ridge CCA with the CSA exponent chosen too."""
    views = plain_views(dims)
    grid = [Candidate(0, (r, g)) for g in ridge_cca.GAMMAS for r in ridge_cca.RIDGES]
    return Family(
        views=views,
        variants=(raw_variant(views),),
        grid=tuple(grid),
        path=lambda _, pairs: ridge_cca.fit_path(pairs, None, (np.ones(dims[0]), np.ones(dims[1]))),
        describe=lambda c: {"ridge": c.params[0], "gamma": c.params[1]},
    )


def kernel_ridge_family(world: Unpaired, dims: tuple[int, int]) -> Family:
    """Kernel ridge both ways."""
    views = plain_views(dims)
    return Family(
        views=views,
        variants=(raw_variant(views),),
        grid=tuple(Candidate(0, (b, r)) for b in kernel_ridge.SHARPNESS for r in kernel_ridge.RIDGES),
        path=lambda _, pairs: kernel_ridge.fit_path(pairs),
        describe=lambda c: {"sharpness": c.params[0], "ridge": c.params[1]},
    )


def procrustes_family(world: Unpaired, dims: tuple[int, int]) -> Family:
    """Orthogonal Procrustes; nothing to choose."""
    views = plain_views(dims)
    return Family(
        views=views,
        variants=(raw_variant(views),),
        grid=(Candidate(0, None),),
        path=_procrustes,
        describe=lambda c: {},
    )


def _procrustes(_: int, pairs: Pairs) -> Build:
    fitted = Procrustes().fit(pairs.left[:0], pairs.right[:0], pairs)
    return lambda params: fitted
