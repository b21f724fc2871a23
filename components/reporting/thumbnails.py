"""Small copies of untrusted pictures, safe to put into a page."""

from __future__ import annotations

import base64
import io


def thumbnail(data: bytes, *, size: int = 96) -> bytes | None:
    """A PNG at most ``size`` pixels wide and high, on white; None if the bytes are no usable picture."""
    from components.corpora.images import BadImage, decode_rgb

    try:
        picture = decode_rgb(data)
    except BadImage:
        return None
    picture.thumbnail((size, size))
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def data_uri(data: bytes, kind: str) -> str:
    """``data:`` URI of bytes of this MIME type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
