from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from components.corpora.images import BadImage
from components.encoders.pixels import square, squares

Png = Callable[[np.ndarray], bytes]


def test_transparent_pixels_are_white(png: Png) -> None:
    clear = np.zeros((20, 20, 4), np.uint8)
    assert (square(png(clear), 16) == 255).all()


def test_the_centre_of_a_wide_picture_is_kept(png: Png) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = (0, 255, 0)
    assert (square(png(wide), 8)[:, 1:-1] == (0, 255, 0)).all()


def test_the_centre_of_a_tall_picture_is_kept(png: Png) -> None:
    tall = np.zeros((30, 10, 3), np.uint8)
    tall[10:20] = (0, 0, 255)
    assert (square(png(tall), 8)[1:-1] == (0, 0, 255)).all()


def test_threads_change_nothing(pictures: list[bytes]) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert np.array_equal(squares(pictures, 32, pool), squares(pictures, 32))


def test_no_picture_is_refused() -> None:
    with pytest.raises(BadImage):
        square(b"not a picture", 16)
