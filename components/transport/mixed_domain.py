"""Sinkhorn for scores too wide for one kernel: a few logarithmic sweeps, then kernels that take the potential in.

After a logarithmic sweep exp(X + g − row maximum) has no empty column, whatever ε is. The kernel is made anew from the
current g every ``SEGMENT`` sweeps, so that its factors stay small; a segment that lost mass is made again with
logsumexp (the absorption of Schmitzer 2019, but checked).
"""

from __future__ import annotations

import torch

from components.transport.kernel_domain import KernelDomain
from components.transport.log_domain import LogDomain
from components.transport.problem import Problem

FIRST, SEGMENT = 2, 20


class MixedDomain:
    """State of the iteration; ``sweep`` makes one."""

    def __init__(self, problem: Problem, start: torch.Tensor | None) -> None:
        self.problem = problem
        self._state: KernelDomain | LogDomain = LogDomain(problem, start)
        self._origin, self._done, self._length = start, 0, FIRST

    def sweep(self) -> None:
        if self._done == self._length:
            self._next_segment()
        self._state.sweep()
        self._done += 1

    def _next_segment(self) -> None:
        self._settle()
        g = self._state.g
        self._origin = torch.where(g.isfinite(), g, 0)
        self._state = KernelDomain(self.problem, self._origin)
        self._done, self._length = 0, SEGMENT

    def _settle(self) -> None:
        """If the kernel of this segment lost mass, make its sweeps again with logsumexp."""
        if isinstance(self._state, LogDomain) or bool(self._state.sound().all()):
            return
        self._state = LogDomain(self.problem, self._origin)
        for _ in range(self._done):
            self._state.sweep()

    def error(self) -> torch.Tensor:
        self._settle()
        return self._state.error()

    @property
    def f_shifted(self) -> torch.Tensor:
        self._settle()
        return self._state.f_shifted

    @property
    def g(self) -> torch.Tensor:
        self._settle()
        return self._state.g
