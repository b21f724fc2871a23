"""Pictures side by side in one PNG, e.g. the answers of a search."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.reporting.style import words
from components.reporting.thumbnails import thumbnail

if TYPE_CHECKING:
    from PIL.Image import Image

TILE, MARGIN, TEXT_HEIGHT = 160, 12, 34


def contact_sheet(images: Sequence[bytes], captions: Sequence[str], columns: int = 5) -> bytes:
    """Pictures in rows of ``columns``, each with up to two lines of caption below. PNG bytes.

    A picture that cannot be read leaves a grey tile. The sheet is ``columns * (TILE + MARGIN) + MARGIN`` pixels wide.

    Raises:
        ValueError: nothing to show, or not one caption per picture.
    """
    from PIL import Image, ImageDraw

    if not images or len(images) != len(captions) or columns < 1:
        raise ValueError(f"{len(images)} pictures, {len(captions)} captions, {columns} columns")
    rows = math.ceil(len(images) / columns)
    step_x, step_y = TILE + MARGIN, TILE + TEXT_HEIGHT + MARGIN
    sheet = Image.new("RGB", (columns * step_x + MARGIN, rows * step_y + MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), _font()
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = MARGIN + place % columns * step_x, MARGIN + place // columns * step_y
        _paste(sheet, image, x, y)
        pen.multiline_text((x, y + TILE + 4), _lines(caption, pen, font), fill="#1d2430", font=font, spacing=2)
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _paste(sheet: Image, data: bytes, x: int, y: int) -> None:
    from PIL import Image

    small = thumbnail(data, size=TILE)
    if small is None:
        sheet.paste("#dfe3e8", (x, y, x + TILE, y + TILE))
        return
    picture: Any = Image.open(io.BytesIO(small))
    if (times := TILE // max(picture.size)) > 1:
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.BICUBIC)
    sheet.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))


def _font() -> Any:
    """DejaVu Sans as shipped by matplotlib: Latin, Greek, Cyrillic and Arabic."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 12)


def _lines(caption: str, pen: Any, font: Any) -> str:
    """At most two lines that fit the tile, the second one cut with an ellipsis."""
    lines: list[str] = []
    rest = words(caption)
    while rest and len(lines) < 2:
        fits = _fitting(rest, pen, font)
        cut = fits if fits == len(rest) else (rest.rfind(" ", 0, fits + 1) if " " in rest[: fits + 1] else fits)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        last = lines[-1]
        lines[-1] = last[: max(1, _fitting(last + "…", pen, font) - 1)].rstrip() + "…"
    return "\n".join(lines)


def _fitting(text: str, pen: Any, font: Any) -> int:
    """How many characters of ``text`` are at most a tile wide; at least one."""
    count = next((n for n in range(1, len(text) + 1) if pen.textlength(text[:n], font=font) > TILE), len(text) + 1)
    return max(1, count - 1)
