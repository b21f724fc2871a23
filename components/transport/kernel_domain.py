"""Sinkhorn by products with K = exp(X + g₀): two matrix-vector products a sweep.

Letters: u = exp(f̃ + m) and v = exp(g − g₀) with the warm start g₀ and the row maxima m of X + g₀ (both 0 at a cold
start), so that no entry of K is above 1.
"""

from __future__ import annotations

import torch

from components.transport.problem import Problem

SHARE_LOST = 1e-6  # of a row's or column's mass, at most, in entries of K too small for the number format


class KernelDomain:
    """State of the iteration; ``sweep`` makes one."""

    def __init__(self, problem: Problem, start: torch.Tensor | None) -> None:
        self.problem = problem
        one, two = problem.config.damping
        self._powers = (one, two)
        kernel, self._m, self._g0 = _kernel(problem, start)
        self._tiny = 16 * torch.finfo(kernel.dtype).tiny
        # Entries near the smallest normal number are dropped: subnormal ones would make the products many times slower.
        self.kernel = torch.threshold_(kernel.exp_(), self._tiny, 0.0)
        self.v = torch.ones_like(problem.columns)
        self.u = torch.zeros_like(problem.rows)
        self._scales = ((1 - one) * (problem.shift + self._m)).exp(), ((two - 1) * self._g0).exp()

    def sweep(self) -> None:
        """Rows, columns, then the translation of unbalanced problems."""
        self.u = self._step(self.problem.rows, self.times(self.v), 0)
        self.v = self._step(self.problem.columns, self.times_transposed(self.u), 1)
        if not self.problem.config.balanced:
            tau = self.problem.translation(self.f_shifted, self.g)
            self.u, self.v = self.u * tau.exp(), self.v * (-tau).exp()

    def _step(self, weights: torch.Tensor, sums: torch.Tensor, side: int) -> torch.Tensor:
        ratio = weights / sums
        if self.problem.has_empty:
            ratio = torch.where(weights > 0, ratio, 0)
        power = self._powers[side]
        return ratio if power == 1 else ratio.pow_(power).mul_(self._scales[side])

    def times(self, v: torch.Tensor) -> torch.Tensor:
        """K v, [..., N]."""
        return self.kernel @ v if v.ndim == 1 else (self.kernel @ v.unsqueeze(-1)).squeeze(-1)

    def times_transposed(self, u: torch.Tensor) -> torch.Tensor:
        """Kᵀ u, [..., M]."""
        return self.kernel.mT @ u if u.ndim == 1 else (self.kernel.mT @ u.unsqueeze(-1)).squeeze(-1)

    @property
    def f_shifted(self) -> torch.Tensor:
        return self.u.log() - self._m

    @property
    def g(self) -> torch.Tensor:
        return self.v.log() + self._g0

    def sums(self) -> tuple[torch.Tensor, torch.Tensor]:
        """K v and Kᵀ u of the state."""
        return self.times(self.v), self.times_transposed(self.u)

    def error(self, sums: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        """Marginal error [...]."""
        rows, columns = sums or self.sums()
        return self.problem.error(self.u * rows, self.v * columns, self.f_shifted, self.g)

    def sound(self, sums: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        """Booleans [...]: all numbers finite, and what was dropped from K can matter to no row and no column.

        A dropped entry is below ``tiny``, so row i lost at most u_i·tiny·Σv of its mass u_i·(Kv)_i; columns likewise.
        """
        rows, columns = sums or self.sums()
        lost_rows = self._tiny * self.v.sum(-1) <= SHARE_LOST * _least(rows, self.problem.rows)
        lost_columns = self._tiny * self.u.sum(-1) <= SHARE_LOST * _least(columns, self.problem.columns)
        return lost_rows & lost_columns & self.u.isfinite().all(-1) & self.v.isfinite().all(-1)


def _kernel(problem: Problem, start: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """X + g₀ − m, m and g₀."""
    if start is None:
        return problem.logits(), torch.zeros_like(problem.rows), torch.zeros_like(problem.columns)
    moved = problem.logits().add_(start.unsqueeze(-2))
    top = moved.amax(-1)
    return moved.sub_(top.unsqueeze(-1)), top, start.expand_as(problem.columns)


def _least(sums: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return torch.where(weights > 0, sums, torch.inf).amin(-1)
