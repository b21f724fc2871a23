"""Picture networks without a head: a small ResNet for small pictures, or any classification model of torchvision.

He et al., "Deep residual learning for image recognition" (CVPR 2016); Wu & He, "Group normalization" (ECCV 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from components.encoders.torchvision_models import behead
from components.errors import UserError
from components.pretraining.spec import SMALL_RESNET, ImageSpec

GROUP = 8  # channels a group

Norm = Callable[[int], nn.Module]


def image_backbone(spec: ImageSpec) -> nn.Module:
    """The network: pictures [B, 3, side, side] -> features [B, D]; its attribute ``dim`` is D.

    Raises:
        UserError: torchvision has no such model, or the model cannot take pictures of this side.
    """
    return SmallResNet(spec) if spec.model == SMALL_RESNET else _Torchvision(spec)


class SmallResNet(nn.Module):
    """A strided stem and three stages of one residual block each; features are the means of the last maps."""

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        norm, width = _norm(spec.norm), spec.width
        stem = [nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), norm(width), nn.ReLU()]
        stages = [
            _Block(width, width, 1, norm),
            _Block(width, 2 * width, 2, norm),
            _Block(2 * width, 4 * width, 2, norm),
        ]
        self.layers = nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dim = 4 * width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class _Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.layers = nn.Sequential(first, norm(outputs), nn.ReLU(), second, norm(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layers(x) + self.shortcut(x))


class _Torchvision(nn.Module):
    """A model of torchvision without its last linear layer."""

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        self.net = _build(spec)
        if spec.model.startswith(("resnet", "resnext", "wide_resnet")) and spec.has_small_stem:
            self.net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
            self.net.maxpool = nn.Identity()
        self.dim = behead(self.net)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def _build(spec: ImageSpec) -> Any:
    from torchvision import models

    known = models.list_models(module=models)
    if spec.model not in known:
        close = [m for m in known if m.startswith(spec.model[:4])] or ["resnet18", "vit_b_16"]
        raise UserError(
            f"there is no picture model {spec.model!r}", do=f"use {SMALL_RESNET}, or e.g. {', '.join(close[:5])}"
        )
    extra: dict[str, Any] = {}
    if spec.model.startswith(("resnet", "resnext", "wide_resnet")):
        extra["norm_layer"] = _norm(spec.norm)
    if spec.model.startswith("vit_"):
        extra["image_size"] = spec.side
    try:
        return models.get_model(spec.model, weights=None, **extra)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise UserError(
            f"{spec.model} cannot take pictures of {spec.side} px ({error})", do="set another side"
        ) from None


def _norm(name: str) -> Norm:
    return nn.BatchNorm2d if name == "batch" else partial(_group_norm)


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(channels // GROUP, channels)
