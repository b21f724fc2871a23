"""Which processor and how many threads of it."""

from __future__ import annotations

import os

from components.encoders.protocol import LoadOptions


def torch_device(options: LoadOptions) -> str:
    """``cuda`` or ``cpu``; ``auto`` means the GPU exactly when torch sees one."""
    if options.device != "auto":
        return options.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def num_threads(options: LoadOptions) -> int:
    """The threads asked for, or the cores that this process may run on (a container's share, not the machine's)."""
    return options.threads or usable_cores()


def usable_cores() -> int:
    """Cores that the operating system lets this process use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
