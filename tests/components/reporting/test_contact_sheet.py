"""Contact sheets and thumbnails: sizes, placement, bytes that are no picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from report_samples import png

from components.reporting.contact_sheet import MARGIN, TEXT_HEIGHT, TILE, contact_sheet
from components.reporting.thumbnails import data_uri, thumbnail


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 5, 1), (5, 5, 1), (6, 5, 2), (3, 1, 3)])
def test_size(count: int, columns: int, rows: int) -> None:
    sheet = opened(contact_sheet([png()] * count, ["caption"] * count, columns))
    assert sheet.size == (columns * (TILE + MARGIN) + MARGIN, rows * (TILE + TEXT_HEIGHT + MARGIN) + MARGIN)


def test_pictures_are_in_reading_order_and_broken_ones_are_grey() -> None:
    sheet = opened(contact_sheet([png("red"), png("blue"), b"no picture"], ["a", "b", "c"], 2))
    middle = MARGIN + TILE // 2
    step = TILE + TEXT_HEIGHT + MARGIN
    assert sheet.getpixel((middle, middle)) == (255, 0, 0)
    assert sheet.getpixel((middle + TILE + MARGIN, middle)) == (0, 0, 255)
    assert sheet.getpixel((middle, middle + step)) == (223, 227, 232)


def test_captions_stay_inside_their_tile() -> None:
    long = "one very long caption " * 20 + "W" * 200
    sheet = np.asarray(opened(contact_sheet([png()] * 2, [long, "W" * 300], 2)))
    gap = sheet[:, MARGIN + TILE + 1 : MARGIN + TILE + MARGIN - 1]
    assert (gap == 255).all()
    assert (sheet[-MARGIN + 2 :] == 255).all()
    assert (sheet[MARGIN + TILE + 4 : -MARGIN] < 128).any()


def test_captions_may_be_empty_or_strange() -> None:
    odd = ["", "\U0001f600", "a\nb", "日本語"]
    assert opened(contact_sheet([png()] * 4, odd, 4)).width == 4 * (TILE + MARGIN) + MARGIN


@pytest.mark.parametrize(("images", "captions", "columns"), [([], [], 5), ([b""], ["a", "b"], 5), ([b""], ["a"], 0)])
def test_refusals(images: list[bytes], captions: list[str], columns: int) -> None:
    with pytest.raises(ValueError, match="columns"):
        contact_sheet(images, captions, columns)


def test_same_input_same_bytes() -> None:
    assert contact_sheet([png()], ["a"]) == contact_sheet([png()], ["a"])


def test_thumbnails_fit_and_keep_their_shape() -> None:
    small = thumbnail(png(size=(400, 200)), size=50)
    assert small is not None
    assert opened(small).size == (50, 25)


def test_thumbnails_of_what_is_no_picture() -> None:
    assert thumbnail(b"") is None
    assert thumbnail(b"<svg xmlns='http://www.w3.org/2000/svg'/>") is None
    assert thumbnail(png()[:40]) is None


def test_thumbnails_carry_nothing_of_the_original_but_pixels() -> None:
    out = io.BytesIO()
    image = Image.new("RGB", (9, 9))
    exif = image.getexif()
    exif[0x010E] = "secret"
    image.save(out, "JPEG", exif=exif)
    assert b"secret" in out.getvalue()
    assert b"secret" not in (thumbnail(out.getvalue()) or b"secret")


def test_data_uri() -> None:
    assert data_uri(b"hi", "text/csv") == "data:text/csv;base64,aGk="
