"""Weightless text features: hashed word and character n-grams under a random projection, 512-d unit rows.

Term frequencies are sublinear, 1 + log tf. There is no "idf": it needs the statistics of a corpus, and this encoder
must map a text in the same way wherever it stands, so common n-grams are not damped. Features are hashed
(Weinberger et al., ICML 2009) and projected by random signs (Achlioptas, 2003), which keeps inner products to about
1/√512 = 4 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.encoders.protocol import LoadOptions
from components.transforms import unit_rows

NAME, DIM = "hashed-tfidf", 512
_BUCKETS, _SEED = 2**14, 20_11


def load(name: str, options: LoadOptions) -> HashedTfidf:
    """The encoder; its projection is drawn from a fixed seed."""
    return HashedTfidf()


class HashedTfidf:
    """See the module. Words (1-2-grams) and characters within words (3-5-grams) weigh the same."""

    name, modality, dim, licence = NAME, "text", DIM, "Apache-2.0"

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        common = {"n_features": _BUCKETS, "norm": None, "alternate_sign": False, "dtype": np.float32}
        self._views = (
            HashingVectorizer(analyzer="word", token_pattern=r"\S+", ngram_range=(1, 2), **common),  # noqa: S106
            HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **common),
        )
        signs = np.random.default_rng(_SEED).integers(0, 2, (len(self._views), _BUCKETS, DIM), dtype=np.int8)
        self._signs = (signs * 2 - 1).astype(np.float32)

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Texts to [B, 512] float32 of unit length."""
        out = np.zeros((len(items), DIM), np.float32)
        if items:
            for view, signs in zip(self._views, self._signs, strict=True):
                out += unit_rows(_sublinear(view.transform(items)) @ signs)
        return unit_rows(out)


def _sublinear(counts):  # type: ignore[no-untyped-def]  # scipy's sparse matrices have no stubs here
    counts.data = 1 + np.log(counts.data)
    return counts
