"""The page of items: what it shows, that it needs nothing else, and that it trusts nothing."""

from __future__ import annotations

import io
import re

from PIL import Image

from components.reporting.data import Item
from components.reporting.suggest_page import SuggestPage, Wanted, coverage_figure, render_suggestion


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(out, "PNG")
    return out.getvalue()


def make(
    num: int = 6, *, item: Item | None = None, start: float = 0.0, sides: tuple[str, ...] = ("left",)
) -> SuggestPage:
    wanted = [
        Wanted(
            item=item or Item(id=f"row-{n}", title=f"title {n}", image=picture()),
            side=sides[n % len(sides)],
            gain=1 / (n + 1),
            coverage=start + 0.5 - 0.4 / (n + 1),
        )
        for n in range(num)
    ]
    return SuggestPage(
        title="Isthmus: test",
        wanted=wanted,
        method="facility location",
        num_known=0,
        rows=dict.fromkeys(sides, 1234),
        start=dict.fromkeys(sides, start),
        random={side: [start + 0.01 * n for n in range(num // len(sides))] for side in sides},
        file="to_pair.csv",
        notes=["a note"],
    )


def test_every_item_stands_in_order_with_its_picture_and_gain() -> None:
    html = render_suggestion(make())
    assert re.findall(r"<code>(row-\d)</code>", html) == [f"row-{n}" for n in range(6)]
    assert html.count("data:image/png;base64,") == 6 and html.count("data:image/svg+xml") == 1
    shares = re.findall(r"adds (\d+) %", html)
    assert shares == ["100", "50", "33", "25", "20", "17"]
    assert "no pairs were known" in html and "A note." in html and "1,234 left items" in html


def test_when_more_stops_paying_is_said_in_numbers() -> None:
    page = make(8)  # coverage .1, .3, .367, .4 … .45; half of the way from .1 to .45 is .275
    assert (
        "Left: half of what 8 items add is reached with 2, and 1 cover as much as 8 random ones."
        in render_suggestion(page)
    )


def test_both_sides_have_a_line_each() -> None:
    page = make(6, start=0.3, sides=("left", "right"))
    rows = coverage_figure(page).csv.splitlines()
    assert rows[0].startswith("side,items,coverage") and len(rows) == 7
    html = render_suggestion(page)
    assert html.count('<li class="left">') == html.count('<li class="right">') == 3
    assert "Left: half" in html and "Right: half" in html


def test_the_page_loads_nothing_and_escapes_what_a_corpus_says() -> None:
    bad = Item(
        id='"><img src=x onerror=alert(1)>', title="<script>alert(1)</script>", text="& <b>", image=b"no picture"
    )
    html = render_suggestion(make(3, item=bad))
    assert "<script" not in html and "<img src=x" not in html and "&lt;script&gt;" in html
    assert "default-src 'none'" in html
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)


def test_texts_are_shown_where_there_are_no_pictures_and_one_item_is_enough() -> None:
    html = render_suggestion(make(1, item=Item(id="a", text="some words")))
    assert "some words" in html and "1 items" not in html


def test_the_same_data_gives_the_same_bytes() -> None:
    assert render_suggestion(make()) == render_suggestion(make())
