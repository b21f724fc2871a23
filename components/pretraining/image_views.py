"""Random views of pictures: torchvision's transforms v2 on Pillow pictures, each with its own seed.

A view depends on its seed alone, so that neither the number of workers nor a restart changes a training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from components.checks import check_range
from components.errors import UserError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, in units of full brightness: what weights of torchvision expect."""


@dataclass(frozen=True, kw_only=True)
class ImageViews:
    """How far two views of a picture may differ.

    Attributes:
        crop: smallest share of the area that a random resized crop keeps, in (0, 1].
        flip: chance of a mirror image.
        jitter: strength of brightness, contrast and saturation changes (hue a quarter of it), at a chance of 0.8.
        grey: chance of a grey picture.
        blur: chance of a Gaussian blur.
        erase: chance that a rectangle is erased.
    """

    crop: float = 0.3
    flip: float = 0.5
    jitter: float = 0.4
    grey: float = 0.2
    blur: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        check_range("crop", self.crop, 0, 1, above=True)
        check_range("jitter", self.jitter, 0, 1)
        for name in ("flip", "grey", "blur", "erase"):
            check_range(name, getattr(self, name), 0, 1)

    def transform(self, side: int) -> Any:
        """A callable: RGB Pillow picture -> uint8 tensor [3, side, side]; draws from torch's global generator."""
        from torchvision.transforms import v2

        bicubic = v2.InterpolationMode.BICUBIC
        steps: list[Any] = [v2.RandomResizedCrop(side, scale=(self.crop, 1.0), interpolation=bicubic, antialias=True)]
        if self.flip:
            steps.append(v2.RandomHorizontalFlip(self.flip))
        if self.jitter:
            jitter = v2.ColorJitter(self.jitter, self.jitter, self.jitter, self.jitter / 4)
            steps.append(v2.RandomApply([jitter], p=0.8))
        if self.grey:
            steps.append(v2.RandomGrayscale(self.grey))
        if self.blur:
            steps.append(v2.RandomApply([v2.GaussianBlur(max(3, side // 10 | 1), (0.1, 2.0))], p=self.blur))
        steps.append(v2.PILToTensor())
        if self.erase:
            steps.append(v2.RandomErasing(self.erase))
        return v2.Compose(steps)


CLEAN = ImageViews()
NOISY = ImageViews(crop=0.08, jitter=0.8, blur=0.5, erase=0.5)
"""Views from which much is gone, after the noisy views of GCA (arXiv 2502.20141): small crops, blur, erased parts."""

PRESETS = {"clean": CLEAN, "noisy": NOISY}


def image_views(preset: str) -> ImageViews:
    """The views of that name. Raises UserError for another one."""
    if preset not in PRESETS:
        raise UserError(f"there are no views {preset!r}", where="views", do=f"use one of {', '.join(PRESETS)}")
    return PRESETS[preset]


def draw_views(pictures: Sequence[np.ndarray], seeds: Sequence[int], transform: Any) -> torch.Tensor:
    """One random view of each picture [S, S, 3] uint8. Returns [B, 3, side, side] uint8."""
    from PIL import Image

    views = []
    with torch.random.fork_rng(devices=[]):
        for picture, seed in zip(pictures, seeds, strict=True):
            torch.default_generator.manual_seed(int(seed))
            views.append(transform(Image.fromarray(picture)))
    return torch.stack(views)


def plain(picture: np.ndarray, side: int) -> torch.Tensor:
    """The whole square picture at another size. [3, side, side] uint8."""
    from PIL import Image

    resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 pixels [B, 3, H, W] as the networks take them."""
    mean, std = (torch.tensor(v, device=pixels.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
