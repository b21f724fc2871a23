"""Ratios of processor times: contenders take turns, so that other work on the machine falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def cpu_seconds(contenders: Mapping[str, Callable[[], Any]], rounds: int, *, warm: bool = True) -> dict[str, float]:
    """Median processor seconds of each, over ``rounds`` in which each has its turn."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + warm):
        for name, run in contenders.items():
            began = time.process_time()
            run()
            if number >= warm:
                taken[name].append(time.process_time() - began)
    return {name: float(np.median(values)) for name, values in taken.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Processor time of one thread is the work done; with more of them waiting counts, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def saved_bytes(forward: Callable[[], torch.Tensor]) -> int:
    """Bytes that autograd keeps for the backward pass, each storage once."""
    storages: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = forward()
    del kept
    return sum(storages.values())
