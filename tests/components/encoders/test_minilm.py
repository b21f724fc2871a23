from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from components.encoders import minilm
from components.encoders.device import torch_forward
from components.encoders.minilm import MiniLM, load
from components.encoders.protocol import LoadOptions

TEXTS = [
    "grinning face",
    "a red heart",
    "red heart. love, like, affection, valentines",
    "flag: France",
    "the quick brown fox jumps over the lazy dog while two cats look on from the garden wall",
    "😀",
    "x",
    "ein Haus am See",
]


@pytest.fixture(scope="module")
def encoder(options: LoadOptions) -> MiniLM:
    return load("minilm", options)


def test_meaning_is_close_and_noise_is_far(encoder: MiniLM) -> None:
    v = encoder.encode(["a photo of a cat", "a picture of a kitten", "quarterly tax return"])
    assert v[0] @ v[1] > 0.6 > 0.2 > v[0] @ v[2]


def test_unit_rows(encoder: MiniLM) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (8, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == (0, 384)


def test_a_text_does_not_see_its_neighbours(encoder: MiniLM) -> None:
    many = [f"{text} {n}" for n in range(8) for text in TEXTS]
    together = encoder.encode(many)
    assert np.array_equal(np.concatenate([encoder.encode([t]) for t in many[:10]]), together[:10])
    assert np.array_equal(encoder.encode(many[::-1])[::-1], together)


def test_threads_change_no_bit(encoder: MiniLM, options: LoadOptions) -> None:
    assert np.array_equal(load("minilm", dataclasses.replace(options, threads=1)).encode(TEXTS), encoder.encode(TEXTS))


def test_padding_is_not_seen(encoder: MiniLM) -> None:
    """More padding than needed must not move a vector: the mask hides it from attention and from the mean."""
    ids, mask = minilm._padded([np.array(encoder._tokenizer.encode(TEXTS[0]).ids)] * 2)
    wider = [np.pad(x, ((0, 0), (0, 24))) for x in (ids, mask)]
    np.testing.assert_allclose(encoder._forward(*wider), encoder._forward(ids, mask), atol=1e-6)


def test_onnxruntime_equals_torch(encoder: MiniLM) -> None:
    ids, mask = minilm._padded([np.array(encoder._tokenizer.encode(t).ids) for t in TEXTS])
    np.testing.assert_allclose(torch_forward(minilm.network(), "cpu")(ids, mask), encoder.encode(TEXTS), atol=1e-5)


def test_groups_are_by_own_length_alone_and_lose_no_row() -> None:
    lengths = [3, 8, 9, 16, 17, 3, 3, 8]
    groups = minilm._groups(lengths, micro=3)
    assert sorted(r for g in groups for r in g) == list(range(8))
    for group in groups:
        assert len(group) <= 3
        assert len({minilm._width(lengths[r]) for r in group}) == 1


def test_long_texts_are_cut(encoder: MiniLM) -> None:
    cut, long = encoder.encode(["word " * 254, "word " * 5000])  # 254 words and the two marks of the ends
    np.testing.assert_allclose(cut, long, atol=1e-6)


@pytest.mark.slow
def test_equal_to_sentence_transformers(encoder: MiniLM) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(minilm._model_dir()), device="cpu")
    texts = [*TEXTS, "word " * 1000, "naïve café ÜBER Straße", "日本語の文", "a\tb\nc"]
    np.testing.assert_allclose(encoder.encode(texts), theirs.encode(texts), atol=1e-4)
