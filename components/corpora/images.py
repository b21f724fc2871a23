"""Pictures as RGB: decoded with Pillow only, from untrusted bytes, whatever their colour mode.

Palette, CMYK, 16-bit, float, animated (first frame) and transparent (on white) pictures are all accepted.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused before they are decoded; Pillow itself only warns at this size."""

MIN_SIDE = 8
"""Pictures with a shorter side, in pixels, say nothing."""

# no EPS, PDF or other format whose decoder starts a program or reads further files
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA", "AVIF", "JPEG2000")
EXTENSIONS = frozenset(
    ".png .jpg .jpeg .jpe .gif .webp .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm .ico .tga .avif .jp2".split()
)


class BadImage(ValueError):
    """These bytes are not a usable picture; the message is the reason that goes to quarantine."""


def decode_rgb(data: bytes) -> Image.Image:
    """The first frame as RGB on white, upright (EXIF orientation applied).

    Raises:
        BadImage: empty, undecodable or truncated bytes, a decompression bomb.
    """
    if not data:
        raise BadImage("empty image")
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImage("image too large (decompression bomb)")
            image.load()
            return _on_white(_eight_bit(ImageOps.exif_transpose(image)))
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        raise BadImage("image too large (decompression bomb)") from error
    except Exception as error:  # on hostile bytes decoders raise whatever they like: OSError, SyntaxError, struct.error
        raise BadImage("undecodable image") from error


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height from the header, nothing decoded. Raises BadImage for bytes that are no picture."""
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            return image.size
    except Exception as error:  # as in decode_rgb
        raise BadImage("undecodable image") from error


def image_problem(data: bytes | None) -> str | None:
    """Why this picture cannot be used, or None."""
    if data is None:
        return "missing image"
    try:
        image = decode_rgb(data)
    except BadImage as error:
        return str(error)
    return "image too small" if min(image.size) < MIN_SIDE else None


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """Those that this build of Pillow knows: it raises KeyError for any other."""
    Image.init()
    return tuple(f for f in FORMATS if f in Image.OPEN)


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit and float modes scaled to 0..255; Pillow's own conversion clips them to white."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = _value_range(image, values)
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0)
    return Image.fromarray(np.round(scaled * 255).astype(np.uint8))


def _value_range(image: Image.Image, values: Any) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    return (0.0, 65535.0) if low >= 0 and high <= 65535 else (low, high)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
