"""How tensors get onto a processor, and in which precision they are computed there."""

from __future__ import annotations

import contextlib
from typing import Any

import torch


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device; on its way to an accelerator through pinned memory, and nobody waits for it."""
    if device.type == "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def autocast(device: torch.device, precision: str = "auto") -> contextlib.AbstractContextManager[Any]:
    """``bfloat16``, ``float32``, or ``auto``: bfloat16 where it pays, on an accelerator."""
    accelerator = torch.accelerator.current_accelerator()
    auto = accelerator is not None and accelerator.type == device.type and torch.amp.is_autocast_available(device.type)
    wanted = precision == "bfloat16" or (precision == "auto" and auto)
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)
