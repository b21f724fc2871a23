"""Which processor and how many threads of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from components.encoders.protocol import LoadOptions

if TYPE_CHECKING:
    import torch


def torch_device(options: LoadOptions) -> str:
    """``cuda`` or ``cpu``; ``auto`` means the GPU exactly when torch sees one."""
    if options.device != "auto":
        return options.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_forward(
    module: torch.nn.Module, device: str, call: Callable[..., torch.Tensor] | None = None
) -> Callable[..., np.ndarray]:
    """The module, moved to a device, as a function of arrays (or tensors) that returns float32.

    On an accelerator in bfloat16 autocast, its inputs through pinned memory. ``call``: applies the module to inputs.
    """
    import torch

    from components.devices import autocast, to_device

    place = torch.device(device)
    module = module.eval().to(place)

    def forward(*inputs: np.ndarray | torch.Tensor) -> np.ndarray:
        with torch.inference_mode(), autocast(place):
            tensors = [to_device(torch.as_tensor(x), place) for x in inputs]
            return (call(module, *tensors) if call else module(*tensors)).float().cpu().numpy()

    return forward


def limit_threads(options: LoadOptions) -> None:
    """Torch's threads on the CPU as asked for, if they are."""
    if options.threads and torch_device(options) == "cpu":
        import torch

        torch.set_num_threads(options.threads)


def num_threads(options: LoadOptions) -> int:
    """The threads asked for, or the cores that this process may run on (a container's share, not the machine's)."""
    return options.threads or usable_cores()


def usable_cores() -> int:
    """Cores that the operating system lets this process use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
