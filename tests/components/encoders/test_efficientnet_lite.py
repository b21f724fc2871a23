from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from components.encoders.efficientnet_lite import MEAN, SCALE, SIDE, EfficientNetLite0, load, network
from components.encoders.pixels import squares
from components.encoders.protocol import LoadOptions


@pytest.fixture(scope="module")
def encoder(options: LoadOptions) -> EfficientNetLite0:
    return load("efficientnet-lite0", options)


def test_equal_to_the_network_in_torch(encoder: EfficientNetLite0, pictures: list[bytes]) -> None:
    import torch

    with torch.no_grad():
        expected = network()(torch.from_numpy(squares(pictures[:6], SIDE))).numpy()
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(encoder.encode(pictures[:6]), expected, atol=1e-4)


def test_features_are_those_that_the_classifier_reads(pictures: list[bytes]) -> None:
    """Our pooled features under the package's own last layer give the package's own class scores."""
    import torch

    net, pixels = network(), torch.from_numpy(squares(pictures[:2], SIDE))
    with torch.no_grad():
        scores = net.body((pixels.permute(0, 3, 1, 2).float() - MEAN) / SCALE)
        np.testing.assert_allclose(net.body._fc(net(pixels)).numpy(), scores.numpy(), atol=1e-4)


def test_a_picture_does_not_see_its_neighbours(encoder: EfficientNetLite0, pictures: list[bytes]) -> None:
    together = encoder.encode(pictures)
    alone = np.concatenate([encoder.encode([p]) for p in pictures[:5]])
    assert together.shape == (24, 1280) and together.dtype == np.float32
    assert np.array_equal(alone, together[:5])
    assert np.array_equal(encoder.encode(pictures[::-1])[::-1], together)


def test_threads_change_no_bit(encoder: EfficientNetLite0, options: LoadOptions, pictures: list[bytes]) -> None:
    one = load("efficientnet-lite0", dataclasses.replace(options, threads=1))
    assert np.array_equal(one.encode(pictures[:9]), encoder.encode(pictures[:9]))


def test_pictures_that_differ_have_vectors_that_differ(encoder: EfficientNetLite0, pictures: list[bytes]) -> None:
    vectors = encoder.encode(pictures)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert distances[~np.eye(len(pictures), dtype=bool)].min() > 1


def test_nothing_to_encode(encoder: EfficientNetLite0) -> None:
    assert encoder.encode([]).shape == (0, 1280)


@pytest.mark.slow
@pytest.mark.skipif("ISTHMUS_DEV_CORPORA" not in os.environ, reason="needs the development corpora")
def test_close_to_vectors_made_by_others(encoder: EfficientNetLite0) -> None:
    """Same network, weights and scaling of the pixels; their pictures are WebP, ours the package's PNG."""
    import pandas as pd

    from components.corpora.emoji import emoji_corpus

    folder = Path(os.environ["ISTHMUS_DEV_CORPORA"]) / "emoji"
    ids = pd.read_parquet(folder / "table.parquet")["hex"]
    theirs = dict(zip(ids, np.load(folder / "img_twemoji_lite0.npy"), strict=True))
    ours = [e for e in emoji_corpus() if e.id in theirs][:64]
    a = encoder.encode([e.picture.read_bytes() for e in ours])
    b = np.stack([theirs[e.id] for e in ours]).astype(np.float32)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() > 0.9
