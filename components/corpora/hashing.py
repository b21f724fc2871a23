"""Hashes that order and sample rows by their ids, so that no result depends on the order of files or rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np


def id_hashes(ids: Iterable[str]) -> np.ndarray:
    """First eight bytes of each id's SHA-256 as a number. uint64 [N]; shards are sorted by it."""
    return np.array([_head(i.encode()) for i in ids], dtype=np.uint64)


def seeded_order(keys: Sequence[str], *salt: object) -> list[int]:
    """A random permutation of ``range(len(keys))`` that depends on the seed (``salt``) and on the *set* of keys only.

    The key at each place of the permuted list does not change when the given list is reordered.
    """
    prefix = "\x1f".join(map(str, salt)) + "\x1f"
    return sorted(range(len(keys)), key=lambda n: (hashlib.sha256((prefix + keys[n]).encode()).digest(), keys[n]))


def seeded_bits(keys: Sequence[str], *salt: object) -> np.ndarray:
    """A fair coin per key that depends on the seed and the key only. bool [N]."""
    prefix = "\x1f".join(map(str, salt)) + "\x1f"
    return np.array([hashlib.sha256((prefix + k).encode()).digest()[0] & 1 for k in keys], dtype=bool)


def _head(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
