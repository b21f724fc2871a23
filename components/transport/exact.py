"""Exact and partial transport: linear programs that POT solves on the CPU (Bonneel et al. 2011; Chapel 2020).

Letters: ``N`` rows, ``M`` columns.
"""

from __future__ import annotations

import numpy as np
import torch

from components.errors import UserError
from components.transport.plan import DensePlan

TOLERANCE = 1e-7


def exact_plan(
    cost: torch.Tensor,
    *,
    mass: float = 1.0,
    row_weights: torch.Tensor | None = None,
    column_weights: torch.Tensor | None = None,
    max_iterations: int = 1_000_000,
) -> DensePlan:
    """The plan of least cost that moves a share ``mass`` of the mass; rows and columns give at most their weights.

    Args:
        cost: [N, M], finite; of similarities give their negative.
        mass: 1 moves all (earth mover's distance); less leaves out what is dearest to move (partial transport).
        row_weights, column_weights: 1/N and 1/M by default; scaled to sum to 1.
        max_iterations: of the network simplex; the plan is not converged if it ran out of them.

    Raises:
        UserError: no finite matrix, unusable weights, a mass outside (0, 1].
    """
    import ot

    if not 0 < mass <= 1:
        raise UserError(f"{mass!r} is not allowed", where="mass", do="give a share above 0 and at most 1")
    matrix = as_matrix(cost, "the cost")
    weights = [as_weights(w, n) for w, n in zip((row_weights, column_weights), matrix.shape, strict=True)]
    if mass == 1:
        found, log = ot.emd(*weights, matrix, numItermax=max_iterations, log=True)
    else:
        found, log = ot.partial.partial_wasserstein(*weights, matrix, m=mass, numItermax=max_iterations, log=True)
    return dense(found, cost, value=float((found * matrix).sum()), error=excess(found, weights, mass), log=log)


def as_matrix(tensor: torch.Tensor, name: str) -> np.ndarray:
    """float64 for POT. Raises UserError unless it is a non-empty finite matrix."""
    if tensor.ndim != 2 or tensor.numel() == 0:
        raise UserError(f"{name} has the shape {list(tensor.shape)}", do="give a non-empty matrix")
    matrix = tensor.detach().cpu().double().numpy()
    if not np.isfinite(matrix).all():
        raise UserError(f"{name} has NaN or infinite values")
    return matrix


def as_weights(given: torch.Tensor | None, length: int) -> np.ndarray:
    """A marginal that sums to 1."""
    if given is None:
        return np.full(length, 1 / length)
    weights = given.detach().cpu().double().numpy()
    if weights.shape != (length,) or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() == 0:
        raise UserError(f"weights must be {length} finite numbers of at least 0, not all 0")
    return weights / weights.sum()


def excess(plan: np.ndarray, weights: list[np.ndarray], mass: float) -> float:
    """How far a plan is from allowed: mass beyond the marginals, and mass that lacks or is too much."""
    a, b = weights
    beyond = np.maximum(plan.sum(1) - a, 0).sum() + np.maximum(plan.sum(0) - b, 0).sum()
    return float(beyond + abs(plan.sum() - mass)) / mass


def dense(plan: np.ndarray, like: torch.Tensor, *, value: float, error: float, log: dict[str, object]) -> DensePlan:
    """POT's answer as a result; one that POT warned about counts as not converged."""
    failed = log.get("warning") is not None
    losses = log.get("loss")
    return DensePlan(
        matrix=torch.from_numpy(plan).to(like),
        value=value,
        marginal_error=torch.tensor(np.inf if failed else error),
        num_iterations=len(losses) - 1 if isinstance(losses, list) else 1,
        tolerance=TOLERANCE,
    )
