from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from components.encoders.hog_color import HogColor, colours, hog

Png = Callable[[np.ndarray], bytes]


def _grating(angle: float) -> np.ndarray:
    """Grey waves whose gradient points in this direction (radians). [1, 64, 64]."""
    y, x = np.mgrid[:64, :64]
    return (0.5 + 0.4 * np.sin(0.5 * (x * np.cos(angle) + y * np.sin(angle))))[None].astype(np.float32)


@pytest.mark.parametrize("bin_", [0, 2, 4, 8])
def test_a_grating_votes_for_its_own_orientation(bin_: int) -> None:
    votes = hog(_grating((bin_ + 0.5) * np.pi / 9)).reshape(-1, 9).sum(0)
    assert votes.argmax() == bin_
    assert votes[bin_] > 0.5 * votes.sum()


def test_opposite_gradients_are_alike() -> None:
    np.testing.assert_allclose(hog(_grating(0.3)), hog(1 - _grating(0.3)), atol=1e-4)


def test_brightness_does_not_matter_to_edges_and_contrast_hardly() -> None:
    wave = _grating(0.7)
    np.testing.assert_allclose(hog(wave + 0.1), hog(wave), atol=1e-3)
    np.testing.assert_allclose(hog(wave * 0.5), hog(wave), atol=1e-3)


def test_blocks_are_of_unit_length_and_clipped() -> None:
    blocks = hog(np.random.default_rng(0).random((3, 64, 64), np.float32)).reshape(-1, 36)
    np.testing.assert_allclose(np.linalg.norm(blocks, axis=1), 1, atol=1e-3)
    assert hog(np.full((1, 64, 64), 0.5, np.float32)).max() == 0


def test_one_colour_fills_one_bin_of_each_quadrant() -> None:
    pixels = np.broadcast_to(np.float32([1, 0, 0]), (1, 8, 8, 3))
    found = colours(pixels).reshape(4, 64)
    assert (found.argmax(1) == 3 * 16).all()  # the last red bin, no green, no blue
    np.testing.assert_allclose(found.sum(1), 1)


def test_quadrants_are_told_apart() -> None:
    pixels = np.zeros((1, 8, 8, 3), np.float32)
    pixels[:, :4, 4:] = 1  # white at the top right
    assert colours(pixels).reshape(4, 64).argmax(1).tolist() == [0, 63, 0, 0]


def test_a_picture_does_not_see_its_neighbours(pictures: list[bytes]) -> None:
    encoder = HogColor()
    together = encoder.encode(pictures)
    assert together.shape == (24, encoder.dim) and together.dtype == np.float32
    np.testing.assert_allclose(encoder.encode(pictures[:1]), together[:1], atol=1e-6)
    assert np.array_equal(encoder.encode(pictures[::-1])[::-1], together)


def test_a_picture_of_one_colour_is_finite(png: Png) -> None:
    vector = HogColor().encode([png(np.full((32, 32, 3), 200, np.uint8))])
    assert np.isfinite(vector).all()
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)
