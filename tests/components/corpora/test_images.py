"""Odd pictures are accepted and normalised; broken and hostile ones get a reason."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from components.corpora.images import BadImage, decode_rgb, image_problem

RED = (200, 30, 40)


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def pixel(data: bytes) -> tuple[int, ...]:
    image = decode_rgb(data)
    assert image.mode == "RGB"
    return image.getpixel((5, 5))  # type: ignore[return-value]


def test_palette() -> None:
    assert pixel(saved(Image.new("RGB", (16, 16), RED).quantize(4))) == RED


def test_palette_with_transparency_is_white() -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert pixel(saved(image, transparency=0)) == (255, 255, 255)


def test_cmyk_jpeg() -> None:
    red = pixel(saved(Image.new("RGB", (16, 16), (255, 0, 0)).convert("CMYK"), "JPEG", quality=95))
    assert red[0] > 240
    assert max(red[1:]) < 15


@pytest.mark.parametrize(("value", "grey"), [(0, 0), (32768, 128), (65535, 255)])
def test_16_bit_is_scaled_not_clipped(value: int, grey: int) -> None:
    assert pixel(saved(Image.fromarray(np.full((16, 16), value, np.uint16)))) == (grey,) * 3


def test_float_tiff() -> None:
    assert pixel(saved(Image.fromarray(np.full((16, 16), 0.5, np.float32)), "TIFF")) == (128,) * 3


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in (RED, (0, 255, 0))]
    assert pixel(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)) == RED


def test_transparent_is_composed_on_white() -> None:
    assert pixel(saved(Image.new("RGBA", (16, 16), (0, 0, 0, 0)))) == (255, 255, 255)
    assert pixel(saved(Image.new("LA", (16, 16), (0, 128)))) == (127, 127, 127)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "TGA", "MPO"])
def test_common_formats(form: str) -> None:
    assert np.abs(np.array(pixel(saved(Image.new("RGB", (16, 16), RED), form))) - RED).max() < 12


def test_bilevel_and_orientation() -> None:
    assert pixel(saved(Image.new("1", (16, 16), 1))) == (255, 255, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_rgb(saved(Image.new("RGB", (16, 8), RED), "JPEG", exif=exif)).size == (8, 16)


def bomb() -> bytes:
    """A PNG that says it has 60,000 x 60,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_size_is_refused_before_decoding() -> None:
    with pytest.raises(BadImage, match="decompression bomb"):
        decode_rgb(bomb())
    wide = Image.new("1", (10_000, 9_000))  # 90 million pixels: Pillow itself would only warn
    assert image_problem(saved(wide)) == "image too large (decompression bomb)"


GOOD = saved(Image.effect_noise((64, 64), 50))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "missing image"),
        (b"", "empty image"),
        (b"not a picture", "undecodable image"),
        (GOOD[: len(GOOD) // 2], "undecodable image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "undecodable image"),
        (saved(Image.new("RGB", (1, 1))), "image too small"),
        (saved(Image.new("RGB", (100, 7))), "image too small"),
        (saved(Image.new("RGB", (8, 8))), None),
        (GOOD, None),
    ],
)
def test_reasons(data: bytes | None, reason: str | None) -> None:
    assert image_problem(data) == reason
