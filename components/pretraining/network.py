"""Backbone and head: what is trained together, and of which only the backbone is exported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from components.errors import UserError
from components.pretraining.config import HeadConfig
from components.pretraining.image_backbone import image_backbone
from components.pretraining.image_views import normalised
from components.pretraining.spec import ImageSpec, Spec
from components.pretraining.text_backbone import TextBackbone


class Network(nn.Module):
    """``backbone`` makes features [B, D]; ``head`` makes of them what the objective compares [B, K]."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.dim = int(getattr(backbone, "dim"))  # noqa: B009  of the features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Raw inputs: uint8 pictures [B, 3, S, S] or token ids [B, T]. Returns [B, K]."""
        return self.head(self.features(x))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Raw inputs to features [B, D]."""
        return features(self.backbone, x)


def features(backbone: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Features [B, D] of raw inputs."""
    return backbone(normalised(x) if x.dtype == torch.uint8 else x)


def make_backbone(spec: Spec, *, seed: int) -> Any:
    """The network of a spec with weights drawn from the seed; its attribute ``dim`` is D."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made = image_backbone(spec) if isinstance(spec, ImageSpec) else TextBackbone(spec)
    return made.to(memory_format=torch.channels_last) if isinstance(spec, ImageSpec) else made


def make_head(inputs: int, config: HeadConfig, *, classes: int | None, predictor: bool, seed: int) -> nn.Module:
    """A projection head (with a predictor behind it if asked for), or a linear classifier of ``classes`` classes."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if classes is not None:
            return nn.Linear(inputs, classes)
        projector = _mlp(inputs, config.hidden, config.dim)
        return nn.Sequential(projector, _mlp(config.dim, config.hidden, config.dim)) if predictor else projector


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Module:
    """Layer norms, not batch norms: the rows of a batch must not see each other, whatever worker they are on."""
    return nn.Sequential(
        nn.Linear(inputs, hidden, bias=False), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, outputs, bias=False)
    )


def start_from(backbone: nn.Module, weights: Mapping[str, np.ndarray], *, where: str) -> int:
    """Load given weights by name, in place. Names that the backbone lacks (a classifier) are left out.

    Args:
        weights: of a safetensors file: of an exported encoder, or a state dict of torchvision.

    Returns:
        How many arrays were taken.

    Raises:
        UserError: an array of another shape, or one of the backbone's that is not there.
    """
    own = backbone.state_dict()
    prefix = "" if any(name in weights for name in own) else "net."
    given = {prefix + name: value for name, value in weights.items()}
    missing = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    if missing:
        raise UserError(
            f"these weights are of another network: {len(missing)} arrays are missing, e.g. {missing[0]!r}", where=where
        )
    for name, value in own.items():
        if name in given and tuple(given[name].shape) != tuple(value.shape):
            raise UserError(
                f"{name!r} has the shape {list(given[name].shape)}, this network needs {list(value.shape)}", where=where
            )
    taken = {name: torch.from_numpy(np.array(given[name])) for name in own if name in given}
    backbone.load_state_dict(taken, strict=False)
    return len(taken)


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file. Raises UserError if it is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"cannot be read as weights ({error})", where=str(path), do="give a .safetensors file"
        ) from None
