"""Any classification model of torchvision by name: the input of its last linear layer, as features.

Weights are torchvision's default ones, downloaded once into torch's own cache. On a GPU in bfloat16 autocast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.corpora.images import decode_rgb
from components.encoders.device import limit_threads, torch_device, torch_forward
from components.encoders.protocol import LoadOptions
from components.errors import UserError

if TYPE_CHECKING:
    import torch

_MICRO = 32
_LICENCE = "BSD-3-Clause"


def load(name: str, options: LoadOptions) -> TorchvisionEncoder:
    """The model with its default weights.

    Raises:
        UserError: torchvision has no such model, or its weights are neither cached nor to be downloaded.
    """
    from torchvision import models

    if name not in models.list_models(module=models):
        close = [m for m in models.list_models(module=models) if m.startswith(name[:4])]
        raise UserError(f"torchvision has no model {name!r}", do=f"e.g. {', '.join(close[:5] or ['resnet50'])}")
    weights = models.get_model_weights(name).DEFAULT
    try:
        model = models.get_model(name, weights=weights)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a damaged file fails its hash: RuntimeError
        raise UserError(
            f"the weights of torchvision:{name} cannot be loaded ({error})",
            do="allow the download once, or use efficientnet-lite0, whose weights are installed",
        ) from error
    return TorchvisionEncoder(f"torchvision:{name}", model, weights.transforms(), options)


def prepare(name: str, options: LoadOptions) -> None:
    """Download the weights, or learn here that they cannot be had."""
    load(name, LoadOptions())


class TorchvisionEncoder:
    """A classification model without its head; ``preprocess`` takes an RGB picture to a tensor [3, H, W]."""

    modality, licence = "image", _LICENCE

    def __init__(self, name: str, model: torch.nn.Module, preprocess: Any, options: LoadOptions) -> None:
        self.name, self.dim = name, behead(model)
        self._preprocess, self._features = preprocess, torch_forward(model, torch_device(options))
        limit_threads(options)

    def encode(self, items: Sequence[bytes]) -> np.ndarray:
        """Pictures (encoded files) to [B, D] float32. Raises BadImage for bytes that are no picture."""
        parts = [self._forward(items[i : i + _MICRO]) for i in range(0, len(items), _MICRO)]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *parts])

    def _forward(self, items: Sequence[bytes]) -> np.ndarray:
        import torch

        return self._features(torch.stack([self._preprocess(decode_rgb(data)) for data in items]))


def behead(model: torch.nn.Module) -> int:
    """Replace the last linear layer by the identity, in place. Returns the layer's input width.

    Raises:
        UserError: the model has no linear layer.
    """
    import torch

    linear = [(name, m) for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
    if not linear:
        raise UserError("this model ends in no linear layer, so it has no feature vector", do="use another one")
    name, head = linear[-1]
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, torch.nn.Identity())
    return head.in_features
