"""Pictures made here, and one cache of converted networks for all tests of this folder."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from components.encoders.protocol import LoadOptions


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def png() -> Callable[[np.ndarray], bytes]:
    """Pixels [H, W, 3 or 4] uint8 to the bytes of a PNG."""
    return _png


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Twenty-four smooth random pictures of several sizes and shapes, some with transparency."""
    rng = np.random.default_rng(7)
    shapes = [(72, 72, 4), (90, 130, 3), (200, 120, 3)]
    coarse = [rng.integers(0, 256, (6, 6, shapes[n % 3][2]), dtype=np.uint8) for n in range(24)]
    sizes = [shapes[n % 3][1::-1] for n in range(24)]
    return [_png(np.asarray(Image.fromarray(c).resize(s))) for c, s in zip(coarse, sizes, strict=True)]


@pytest.fixture(scope="session")
def options(tmp_path_factory: pytest.TempPathFactory) -> LoadOptions:
    return LoadOptions(cache_dir=tmp_path_factory.mktemp("onnx"), threads=2)
