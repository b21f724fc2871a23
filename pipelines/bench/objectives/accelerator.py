"""On an accelerator: pictures a second of a training step, and the share of the step that the loss takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from components.objectives.protocol import GlobalBatch
from components.objectives.registry import make_objective


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A ResNet of torchvision with GCA-INCE on two views of ``batch`` pictures of ``side`` pixels."""

    model: str = "resnet18"
    batch: int = 4096
    side: int = 32
    outputs: int = 128
    repeats: int = 10


def measure_accelerator() -> dict[str, Any]:
    """Empty without an accelerator."""
    device = torch.accelerator.current_accelerator(check_available=True)
    return {} if device is None else measure_step(device, Setting())


def measure_step(device: torch.device, setting: Setting) -> dict[str, Any]:
    """``images_per_s`` counts both views; ``loss_share`` is the loss and its gradient in the outputs, of the step."""
    from torchvision.models import get_model

    net = get_model(setting.model, weights=None, num_classes=setting.outputs).to(device)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    criterion = make_objective("gca-ince", {"domain": "kernel"}).build(dim=setting.outputs)
    pixels = torch.randn(2 * setting.batch, 3, setting.side, setting.side, device=device)
    outputs = torch.randn(2, setting.batch, setting.outputs, device=device, requires_grad=True)

    def loss(z: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = criterion(GlobalBatch(z=z.float())).loss
        return value

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16):
            z = net(pixels)
        torch.autograd.backward(loss(z.view(2, setting.batch, -1)))
        optimizer.step()

    whole = _seconds(step, device, setting.repeats)
    part = _seconds(lambda: torch.autograd.grad(loss(outputs), outputs), device, setting.repeats)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "batch": setting.batch,
        "images_per_s": 2 * setting.batch / whole,
        "loss_share": part / whole,
    }


def _seconds(run: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Wall seconds of one call, after one that does not count."""
    run()
    _wait(device)
    began = time.perf_counter()
    for _ in range(repeats):
        run()
    _wait(device)
    return (time.perf_counter() - began) / repeats


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
