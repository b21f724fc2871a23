"""Small copies of untrusted pictures, safe to put into a page."""

from __future__ import annotations

import base64
import io

_MAX_PIXELS = 50_000_000


def thumbnail(data: bytes, *, size: int = 96) -> bytes | None:
    """A PNG at most ``size`` pixels wide and high, on white; None if the bytes are no picture that Pillow can read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                return None
            picture.draft("RGB", (4 * size, 4 * size))
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    upright.thumbnail((size, size))
    small = Image.new("RGB", upright.size, "white")
    small.paste(upright, mask=upright.getchannel("A"))
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def data_uri(data: bytes, kind: str) -> str:
    """``data:`` URI of bytes of this MIME type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
