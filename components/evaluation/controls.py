"""Controls: what a method reports when there is nothing to find. Both must fall to chance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from components.embeddings import Embeddings

NONE, SHUFFLED, RANDOM = "none", "shuffled-pairs", "random-features"
CONTROLS = (SHUFFLED, RANDOM)


def random_features(ids: Sequence[str], dim: int, *, seed: int, side: str) -> Embeddings:
    """A standard normal vector [dim] per id that knows nothing of the item: only id, ``side`` and ``seed`` decide it.

    The same id on the two sides gets independent vectors. Independent of the order of ``ids``.
    """
    vectors = np.empty((len(ids), dim), dtype=np.float32)
    for row, name in zip(vectors, ids, strict=True):
        digest = hashlib.sha256(f"{seed}\x1f{side}\x1f{name}".encode()).digest()
        row[:] = np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16], "big"))).standard_normal(dim)
    return Embeddings(list(ids), vectors)
