"""Gromov-Wasserstein plans: two spaces that share no coordinates are matched by their inner distances (POT).

Gromov (Mémoli 2011), fused with a cost between the spaces (Vayer et al. 2019), partial (Chapel et al. 2020).
Letters: ``N`` rows, ``M`` columns; C₁ [N, N] and C₂ [M, M] inner distances, C [N, M] the cost between.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from components.checks import check_range
from components.errors import UserError
from components.transport.exact import as_matrix, as_weights, dense, excess
from components.transport.plan import DensePlan


@dataclass(frozen=True, kw_only=True)
class GromovConfig:
    """(1 − α) <C, P> + α Σ (C₁ᵢₖ − C₂ⱼₗ)² Pᵢⱼ Pₖₗ.

    Attributes:
        alpha: weight of the inner distances; 1 without a cost between the spaces.
        mass: share of the mass that is matched; less than 1 leaves out what fits worst.
        max_iterations: of conditional gradients. Not convex: another start may give another plan.
        tolerance: relative change of the objective at which they end.
    """

    alpha: float = 0.5
    mass: float = 1.0
    max_iterations: int = 1000
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, 0, 1)
        check_range("mass", self.mass, 0, 1, above=True)
        check_range("max_iterations", self.max_iterations, 1)
        check_range("tolerance", self.tolerance, 0, above=True)


def gromov_plan(
    left: torch.Tensor,
    right: torch.Tensor,
    *,
    config: GromovConfig,
    cost: torch.Tensor | None = None,
    start: torch.Tensor | None = None,
) -> DensePlan:
    """Match C₁ = ``left`` [N, N] and C₂ = ``right`` [M, M] (symmetric), fused with ``cost`` [N, M] if it is given.

    All items weigh the same. ``start`` [N, M] is a plan to begin from, e.g. of known pairs; uniform by default.

    Raises:
        UserError: matrices that are not square, finite or of fitting sizes.
    """
    inner = [as_matrix(x, name) for x, name in ((left, "left"), (right, "right"))]
    sizes = [len(x) for x in inner]
    for matrix, name in zip(inner, ("left", "right"), strict=True):
        if matrix.shape[0] != matrix.shape[1]:
            raise UserError(f"{list(matrix.shape)} is not square", where=name, do="give distances within one side")
    between = np.zeros(sizes) if cost is None else as_matrix(cost, "the cost")
    if list(between.shape) != sizes:
        raise UserError(f"the cost is {list(between.shape)}, the sides have {sizes[0]} and {sizes[1]} items")
    weights = [as_weights(None, n) for n in sizes]
    given = None if start is None else as_matrix(start, "the start")
    arguments = {"alpha": 1.0 if cost is None else config.alpha, "G0": given, "symmetric": True, "log": True}
    found, log = _solve((between, *inner, *weights), arguments, config)
    value = float(log["fgw_dist"] if "fgw_dist" in log else log["partial_fgw_dist"])
    return dense(found, left, value=value, error=excess(found, weights, config.mass), log=log)


def _solve(
    problem: tuple[np.ndarray, ...], arguments: dict[str, Any], config: GromovConfig
) -> tuple[np.ndarray, dict[str, Any]]:
    from ot import gromov

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # POT's warnings come back as the status of the result
        if config.mass < 1:
            partial = {"m": config.mass, "numItermax": config.max_iterations, "tol": config.tolerance}
            return gromov.partial_fused_gromov_wasserstein(*problem, **arguments, **partial)
        ends = {"max_iter": config.max_iterations, "tol_rel": config.tolerance, "tol_abs": config.tolerance}
        return gromov.fused_gromov_wasserstein(*problem, **arguments, **ends)
