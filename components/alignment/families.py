"""The pairs-only aligners that had their selection before there were families, as families."""

from __future__ import annotations

from itertools import product

from components.alignment import kernel_ridge, ridge_cca
from components.alignment.procrustes import Procrustes
from components.alignment.protocol import Pairs
from components.alignment.tuned import Build, Family, Unpaired, raw_family


def csa_family(world: Unpaired, dims: tuple[int, int]) -> Family:
    """Ridge CCA with the CSA exponent chosen too."""
    grid = [(r, g) for g in ridge_cca.GAMMAS for r in ridge_cca.RIDGES]
    return raw_family(dims, grid, ("ridge", "gamma"), ridge_cca.fit_path)


def kernel_ridge_family(world: Unpaired, dims: tuple[int, int]) -> Family:
    """Kernel ridge both ways."""
    grid = product(kernel_ridge.SHARPNESS, kernel_ridge.RIDGES)
    return raw_family(dims, grid, ("sharpness", "ridge"), kernel_ridge.fit_path)


def procrustes_family(world: Unpaired, dims: tuple[int, int]) -> Family:
    """Orthogonal Procrustes; nothing to choose."""
    return raw_family(dims, [()], (), _procrustes)


def _procrustes(pairs: Pairs) -> Build:
    fitted = Procrustes().fit(pairs.left[:0], pairs.right[:0], pairs)
    return lambda params: fitted
