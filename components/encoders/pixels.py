"""Picture bytes to the square uint8 array that an image network wants."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from components.corpora.images import decode_rgb


def square(data: bytes, side: int) -> np.ndarray:
    """Decode, scale the shorter edge to ``side`` (bicubic, antialiased), crop the centre. [side, side, 3] uint8.

    Transparent pixels are white. Raises BadImage for bytes that are no picture.
    """
    from PIL import Image

    picture = decode_rgb(data)
    edge = min(picture.size)
    left, top = (picture.width - edge) / 2, (picture.height - edge) / 2
    # `box` is in source coordinates: scaling and cropping are one step
    resized = picture.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))
    return np.asarray(resized)


def squares(items: Sequence[bytes], side: int, pool: ThreadPoolExecutor | None = None) -> np.ndarray:
    """:func:`square` of each item, on the threads of ``pool`` if given. [B, side, side, 3] uint8."""
    # Pillow releases the GIL while it decodes and scales
    arrays = pool.map(lambda data: square(data, side), items) if pool else (square(data, side) for data in items)
    return np.stack(list(arrays))
