"""Encoders that were trained here, by the folder they were exported to: ``trained:PATH``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.encoders.device import limit_threads, torch_device, torch_forward
from components.encoders.pixels import square
from components.encoders.protocol import LoadOptions
from components.files import Folder
from components.pretraining.artifact import TrainedEncoder, fingerprint_of, read_about

if TYPE_CHECKING:
    import torch

_MICRO = 64


def load(name: str, options: LoadOptions) -> Trained:
    """The encoder in a folder. Raises UserError if there is none, or if it is damaged."""
    return Trained(TrainedEncoder.load(Folder.at(name)), name, options)


def facts(name: str) -> tuple[str, int, str]:
    """Modality, columns and licence of the encoder in a folder, without its weights. Raises UserError if none is."""
    about = read_about(Folder.at(name))
    return about["spec"]["modality"], int(about["dim"]), about["licence"]


def fingerprint(name: str) -> str:
    """From the contents of the folder, not from its place."""
    return fingerprint_of(Folder.at(name))


class Trained:
    """The backbone, in evaluation mode and without gradients."""

    def __init__(self, parts: TrainedEncoder, name: str, options: LoadOptions) -> None:
        from components.pretraining.network import features, make_backbone, start_from

        self.name, self.modality = f"trained:{name}", parts.spec.modality
        self.dim, self.licence = parts.dim, parts.licence
        self.spec = parts.spec
        limit_threads(options)
        backbone = make_backbone(parts.spec, seed=0)
        start_from(backbone, parts.weights, where=name)
        self._backbone = backbone.requires_grad_(False)
        self._features = torch_forward(self._backbone, torch_device(options), call=features)
        self._token_ids = _token_ids(parts)

    def encode(self, items: Sequence[Any]) -> np.ndarray:
        """Picture files (bytes) or texts to [B, D] float32. Raises BadImage for bytes that are no picture."""
        return self._pictures(items) if self.modality == "image" else self._texts(items)

    def _pictures(self, items: Sequence[bytes]) -> np.ndarray:
        import torch

        side, out = getattr(self.spec, "side"), np.zeros((len(items), self.dim), np.float32)  # noqa: B009
        for start in range(0, len(items), _MICRO):
            chunk = np.stack([square(data, side) for data in items[start : start + _MICRO]])
            out[start : start + len(chunk)] = self.forward(torch.from_numpy(chunk).permute(0, 3, 1, 2))
        return out

    def _texts(self, items: Sequence[str]) -> np.ndarray:
        import torch

        from components.pretraining.tokenizer import padded

        rows, out = self._token_ids(items), np.zeros((len(items), self.dim), np.float32)
        order = np.argsort([len(r) for r in rows], kind="stable")  # no text pays for a much longer neighbour
        for start in range(0, len(order), _MICRO):
            chosen = order[start : start + _MICRO]
            out[chosen] = self.forward(torch.from_numpy(padded([rows[n] for n in chosen])))
        return out

    def forward(self, x: torch.Tensor) -> np.ndarray:
        """Raw inputs of the network (uint8 pictures or token ids) to features [B, D]."""
        return self._features(x)


def _token_ids(parts: TrainedEncoder) -> Any:
    if parts.tokenizer is None:
        return None
    from components.pretraining.tokenizer import TokenIds

    return TokenIds(parts.tokenizer, getattr(parts.spec, "max_tokens"))  # noqa: B009
