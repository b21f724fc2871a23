from __future__ import annotations

import numpy as np
import pytest

from components.encoders.hashed_tfidf import HashedTfidf


@pytest.fixture(scope="module")
def encoder() -> HashedTfidf:
    return HashedTfidf()


def test_shared_words_and_shared_letters_bring_texts_closer(encoder: HashedTfidf) -> None:
    base, words, letters, nothing = encoder.encode(
        ["red heart on paper", "paper with a red heart", "reddish hearts, papers", "quantum bicycle"]
    )
    assert base @ words > base @ letters > base @ nothing + 0.1
    assert abs(base @ nothing) < 0.2


def test_projection_keeps_inner_products(encoder: HashedTfidf) -> None:
    """Disjoint texts are orthogonal before the projection, and to about 1/√512 after it."""
    rng = np.random.default_rng(0)
    letters = np.array([list("abcdefghijklm"), list("nopqrstuvwxyz")])
    texts = [" ".join("".join(rng.choice(letters[side], 6)) for _ in range(8)) for side in (0, 1) for _ in range(40)]
    vectors = encoder.encode(texts)
    cross = vectors[:40] @ vectors[40:].T
    assert abs(cross.mean()) < 0.02
    assert 0.03 < cross.std() < 0.06  # 1/√512 = .044


def test_repeats_count_less_and_less(encoder: HashedTfidf) -> None:
    a, b, once, often = encoder.encode(["apple", "banana", "apple banana", "apple banana " + "apple " * 20])
    assert often @ a > once @ a
    assert often @ b > 0.15


def test_a_text_does_not_see_its_neighbours(encoder: HashedTfidf) -> None:
    texts = [f"item {n} of colour {n % 7} 猫" for n in range(64)]
    together = encoder.encode(texts)
    np.testing.assert_allclose(encoder.encode(texts[:1]), together[:1], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_two_encoders_agree(encoder: HashedTfidf) -> None:
    assert np.array_equal(HashedTfidf().encode(["same seed", "😀"]), encoder.encode(["same seed", "😀"]))
