"""Sinkhorn by logsumexp: slower, but no range of scores is too wide."""

from __future__ import annotations

import torch

from components.transport.problem import Problem


class LogDomain:
    """State of the iteration; ``sweep`` makes one."""

    def __init__(self, problem: Problem, start: torch.Tensor | None) -> None:
        self.problem, self._logits = problem, problem.logits()
        self._log_rows, self._log_columns = problem.rows.log(), problem.columns.log()
        self.g = torch.zeros_like(problem.columns) if start is None else start.expand_as(problem.columns).clone()
        self.f_shifted = torch.zeros_like(problem.rows)

    def sweep(self) -> None:
        """f̃ = r₁(log a − LSE(X+g)) + (1−r₁)·shift, g = r₂(log b − LSE(X+f̃)), then the translation."""
        one, two = self.problem.config.damping
        self.f_shifted = one * self._rest(self._log_rows, self._sums_of_rows()) + (1 - one) * self.problem.shift
        self.g = two * self._rest(self._log_columns, self._sums_of_columns())
        if not self.problem.config.balanced:
            tau = self.problem.translation(self.f_shifted, self.g)
            self.f_shifted, self.g = self.f_shifted + tau, self.g - tau

    def _rest(self, log_weights: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
        rest = log_weights - sums
        return torch.where(log_weights == -torch.inf, log_weights, rest) if self.problem.has_empty else rest

    def _sums_of_rows(self) -> torch.Tensor:
        return (self._logits + self.g.unsqueeze(-2)).logsumexp(-1)

    def _sums_of_columns(self) -> torch.Tensor:
        return (self._logits + self.f_shifted.unsqueeze(-1)).logsumexp(-2)

    def error(self) -> torch.Tensor:
        rows = (self.f_shifted + self._sums_of_rows()).exp()
        columns = (self.g + self._sums_of_columns()).exp()
        return self.problem.error(rows, columns, self.f_shifted, self.g)
