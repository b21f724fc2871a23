"""Hashes that order and sample rows by their ids, so that no result depends on the order of files or rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np


def id_hashes(ids: Iterable[str]) -> np.ndarray:
    """First eight bytes of each id's SHA-256 as a number. uint64 [N]; shards are sorted by it."""
    heads = b"".join(hashlib.sha256(i.encode()).digest()[:8] for i in ids)
    return np.frombuffer(heads, dtype=">u8").astype(np.uint64)


def seeded_order(keys: Sequence[str], *salt: object) -> list[int]:
    """A random permutation of ``range(len(keys))`` that depends on the seed (``salt``) and on the *set* of keys only.

    The key at each place of the permuted list does not change when the given list is reordered.
    """
    prefix = "\x1f".join(map(str, salt)) + "\x1f"
    return sorted(range(len(keys)), key=lambda n: (hashlib.sha256((prefix + keys[n]).encode()).digest(), keys[n]))


def deranged(pairs: Sequence[tuple[str, str]], *salt: object) -> list[tuple[str, str]]:
    """The same first and second ids, every first one with a wrong partner; depends on the salt and the second ids."""
    order = seeded_order([second for _, second in pairs], *salt)
    partner = {pairs[a][0]: pairs[b][1] for a, b in zip(order, order[1:] + order[:1], strict=True)}
    return [(first, partner[first]) for first, _ in pairs]


def seeded_bits(keys: Sequence[str], *salt: object) -> np.ndarray:
    """A fair coin per key that depends on the seed and the key only. bool [N]."""
    prefix = "\x1f".join(map(str, salt)) + "\x1f"
    return np.array([hashlib.sha256((prefix + k).encode()).digest()[0] & 1 for k in keys], dtype=bool)
