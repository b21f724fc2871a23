"""A tokenizer trained on the corpus itself: byte-level byte-pair encoding of the ``tokenizers`` library.

Sennrich et al., "Neural machine translation of rare words with subword units" (ACL 2016). Any language: what is not in
the vocabulary falls apart into bytes, never into an unknown token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from components.checks import check_range
from components.errors import UserError

PAD = 0
BYTES = 256
"""The alphabet: no vocabulary can be smaller than it, and the padding."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> bytes:
    """The trained tokenizer as the bytes of a ``tokenizer.json``; the same texts give the same bytes.

    Args:
        texts: all of the corpus.
        vocabulary: tokens at most; a small corpus has fewer.

    Raises:
        UserError: fewer than 257 tokens asked for.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    check_range("vocabulary", vocabulary, BYTES + 1)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["[PAD]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str()).encode()


class TokenIds:
    """Texts to token ids, with a trained tokenizer."""

    def __init__(self, tokenizer: bytes, max_tokens: int) -> None:
        self._tokenizer, self.max_tokens = _open(tokenizer), max_tokens

    @property
    def vocabulary(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, int32, at least one and at most ``max_tokens``."""
        encoded = self._tokenizer.encode_batch(list(texts))
        # a text that the normaliser leaves empty still needs a token: that of the space
        return [np.array(e.ids[: self.max_tokens] or [self._space], np.int32) for e in encoded]

    @property
    def _space(self) -> int:
        return int(self._tokenizer.token_to_id("Ġ"))


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Ids of some texts as one matrix, filled up with the padding. [B, T] int64."""
    out = np.full((len(rows), max(map(len, rows), default=1)), PAD, np.int64)
    for row, ids in enumerate(rows):
        out[row, : len(ids)] = ids
    return out


def _open(data: bytes) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # the library raises a bare Exception
        raise UserError(f"this is no tokenizer ({error})", do="train the encoder again") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
