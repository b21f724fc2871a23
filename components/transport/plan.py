"""What every solver returns: a plan and what is known about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class TransportPlan(ABC):
    """A plan [..., N, M] and how well it was solved.

    Attributes:
        marginal_error: Σ|P1 − a| + Σ|Pᵀ1 − b| as a share of the mass, [...]; on a side that is free to differ, the
            distance from what the optimum has there.
        num_iterations: sweeps or outer iterations made.
        tolerance: error up to which it counts as converged.
    """

    marginal_error: torch.Tensor
    num_iterations: int
    tolerance: float

    @property
    @abstractmethod
    def plan(self) -> torch.Tensor:
        """The matrix [..., N, M]."""

    @property
    @abstractmethod
    def log_plan(self) -> torch.Tensor:
        """Its logarithm; −inf where it is empty."""

    @property
    def converged(self) -> torch.Tensor:
        """Booleans [...]; False, too, if the error is not a number."""
        return self.marginal_error <= self.tolerance


@dataclass(frozen=True, kw_only=True, eq=False)
class DensePlan(TransportPlan):
    """The plan of a solver that gives the matrix itself (exact, partial, Gromov).

    Attributes:
        matrix: the plan.
        value: what the solver minimised.
    """

    matrix: torch.Tensor
    value: float

    @property
    def plan(self) -> torch.Tensor:
        return self.matrix

    @property
    def log_plan(self) -> torch.Tensor:
        return self.matrix.log()


@dataclass(frozen=True, kw_only=True, eq=False)
class EntropicPlan(TransportPlan):
    """P = exp(scores/ε + f + g) of Sinkhorn, kept as its two potentials; the matrices are made when asked for.

    Without gradients: :mod:`components.transport.gradient` has them in closed form.

    Attributes:
        scores: [..., N, M], as given.
        epsilon: the ε of the entropy.
        row_max: maxima of the scores' rows, [..., N].
        f_shifted: f + row_max/ε. Kept apart, as float32 would lose digits of their small difference.
        g: potential of the columns, [..., M]; −inf where the marginal is zero.
        used_log: where the logarithmic domain had to help, booleans [...].
    """

    scores: torch.Tensor
    epsilon: float
    row_max: torch.Tensor
    f_shifted: torch.Tensor
    g: torch.Tensor
    used_log: torch.Tensor

    @property
    def f(self) -> torch.Tensor:
        """Potential of the rows, [..., N]."""
        return self.f_shifted - self.row_max / self.epsilon

    @property
    def plan(self) -> torch.Tensor:
        return self._plan

    @property
    def log_plan(self) -> torch.Tensor:
        """Made anew at each call: one matrix is enough to keep."""
        out = (self.scores - self.row_max.unsqueeze(-1)).div_(self.epsilon)
        return out.add_(self.f_shifted.unsqueeze(-1)).add_(self.g.unsqueeze(-2))

    @cached_property
    def _plan(self) -> torch.Tensor:
        return self.log_plan.exp_()

    def column_bias(self) -> torch.Tensor:
        """g without its mean, [..., M]: free of the constant that may move between f and g. Empty columns keep −inf."""
        return self.g - _finite_mean(self.g)

    def row_bias(self) -> torch.Tensor:
        """f without its mean, [..., N]."""
        return self.f - _finite_mean(self.f)


def _finite_mean(x: torch.Tensor) -> torch.Tensor:
    finite = x.isfinite()
    return torch.where(finite, x, 0).sum(-1, keepdim=True) / finite.sum(-1, keepdim=True).clamp(min=1)
