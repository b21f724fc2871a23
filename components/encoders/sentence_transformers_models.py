"""Any model of the sentence-transformers library by name; downloaded once into that library's cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.encoders.device import limit_threads, torch_device
from components.encoders.protocol import LoadOptions
from components.errors import UserError

_MICRO = 32


def load(name: str, options: LoadOptions) -> SentenceTransformersEncoder:
    """The model, from a folder, the cache or the network.

    Raises:
        UserError: there is no such model, or it is neither cached nor to be downloaded.
    """
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(name, device=torch_device(options), trust_remote_code=False)
    except Exception as error:  # hub, HTTP and file errors have no common ancestor
        raise UserError(
            f"sentence-transformers cannot load {name!r} ({type(error).__name__})",
            do="check the name and allow the download once, or use minilm, whose weights are installed",
        ) from error
    return SentenceTransformersEncoder(f"sentence-transformers:{name}", model, options)


def prepare(name: str, options: LoadOptions) -> None:
    """Download the weights, or learn here that they cannot be had."""
    load(name, LoadOptions())


class SentenceTransformersEncoder:
    """See the module. Rows are as the model gives them, not scaled."""

    modality, licence = "text", "see the model's card"

    def __init__(self, name: str, model: Any, options: LoadOptions) -> None:
        self.name, self._model = name, model
        self.dim = int(model.get_embedding_dimension())
        limit_threads(options)

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Texts to [B, D] float32."""
        if not items:
            return np.zeros((0, self.dim), np.float32)
        return np.asarray(self._model.encode(list(items), batch_size=_MICRO, show_progress_bar=False), np.float32)
