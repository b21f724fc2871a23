"""Two workers of a training session as two threads that average their tensors: the arithmetic of a process group."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from components.training import LocalSession, Session

Result = TypeVar("Result")


class _Worker(LocalSession):
    def __init__(self, rank: int, table: list[torch.Tensor], barrier: threading.Barrier) -> None:
        super().__init__()
        self.rank, self.world = rank, len(table)  # type: ignore[misc]
        self._table, self._barrier = table, barrier

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        self._table[self.rank] = tensor.clone()
        self._barrier.wait()
        total = torch.stack(self._table).mean(0)
        self._barrier.wait()
        return total


def run_two(loop: Callable[[Session], Result]) -> list[Result]:
    """The results of both workers."""
    table, barrier = [torch.zeros(0)] * 2, threading.Barrier(2, timeout=120)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda rank: loop(_Worker(rank, table, barrier)), range(2)))
