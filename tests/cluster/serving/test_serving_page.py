"""The page in a real browser: a query typed, a picture chosen or dropped, a match followed; nothing leaves the host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_browser import CHROMIUM, Page, browser
from served_app import on_loopback
from serving_world import colour_bridge, colour_space, png

from cluster.serving.app import make_app
from cluster.serving.local import LocalBackend
from cluster.serving.served import ServedBridge, ServedSpace

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    space = colour_space()
    with on_loopback(make_app(LocalBackend(ServedSpace(space)), ServedSpace(space).describe())) as address:
        yield address


@pytest.fixture(scope="module")
def bridge() -> Iterator[str]:
    served = ServedBridge(colour_bridge())
    with on_loopback(make_app(LocalBackend(served), served.describe())) as address:
        yield address


def visit(address: str, what: Callable[[Page], Awaitable[None]], **window: Any) -> None:
    """Do something on the page; nothing may be refused by its policy, raise, or be asked of another host."""

    async def run() -> None:
        async with browser(**window) as page:
            await page.open(address)
            await what(page)
            wrong = [e for e in page.events if e["method"] in {"Runtime.exceptionThrown", "Log.entryAdded"}]
            asked = [e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"]
            assert not [e for e in wrong if e.get("params", {}).get("entry", {}).get("level") != "info"], wrong
            assert all(url.startswith((address, "data:", "blob:")) for url in asked), asked

    asyncio.run(run())


TITLES = "[...document.querySelectorAll('#matches .title')].map((t) => t.firstChild.textContent)"
STATUS = "document.getElementById('status').textContent"


def test_a_typed_query_shows_pictures_with_their_confidence(address: str, tmp_path: Path) -> None:
    async def what(page: Page) -> None:
        assert "8 pictures and 8 texts" in await page.run("document.getElementById('model').textContent")
        await page.run("document.getElementById('query').focus()")
        await page.call("Input.insertText", text="a violet square")
        await page.key("Enter", "\r")
        await page.until("document.querySelectorAll('#matches img').length === 8")
        assert (await page.run(TITLES))[0] == "violet picture"
        label = await page.run("document.querySelector('#matches button').getAttribute('aria-label')")
        assert label == "1. violet picture, confidence > 99 %, mutual"
        assert await page.run("document.querySelector('#matches img').naturalWidth") > 0
        assert await page.run(STATUS) == "8 closest of 8 pictures"
        await page.screenshot(tmp_path / "typed.png")

    visit(address, what)


def test_a_chosen_or_dropped_picture_finds_texts(address: str, tmp_path: Path) -> None:
    (tmp_path / "blue.png").write_bytes(png("blue"))

    async def what(page: Page) -> None:
        await page.upload("#picture", tmp_path / "blue.png")
        await page.until(f"{TITLES}[0] === 'blue words'")
        drop = """(async () => {
          const canvas = new OffscreenCanvas(64, 64), brush = canvas.getContext('2d');
          brush.fillStyle = 'rgb(220,30,30)'; brush.fillRect(0, 0, 64, 64);
          const data = new DataTransfer();
          data.items.add(new File([await canvas.convertToBlob()], 'red.png', {type: 'image/png'}));
          for (const kind of ['dragenter', 'drop'])
            document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
        })()"""
        await page.run(drop)
        await page.until(f"{TITLES}[0] === 'red words'")
        assert await page.run("document.querySelector('#asked img').naturalWidth") == 64
        assert not await page.run("document.body.classList.contains('dropping')")

    visit(address, what)


def test_a_match_is_the_next_query_and_mistakes_are_told(address: str) -> None:
    async def what(page: Page) -> None:
        await page.run("document.getElementById('ask').requestSubmit()")
        assert await page.run(STATUS) == "Type something to search for."
        await page.run("document.getElementById('query').value = 'a green square'")
        await page.run("document.getElementById('ask').requestSubmit()")
        await page.until(f"{TITLES}[0] === 'green picture'")
        await page.run("document.querySelector('#matches button').click()")
        await page.until(f"{TITLES}[0] === 'green words'")
        await page.run("document.getElementById('query').value = 'x'.repeat(3000)")
        await page.run("document.getElementById('ask').requestSubmit()")
        await page.until("document.querySelector('#status.problem') !== null")
        assert await page.run(STATUS) == "The text has 3,000 characters; at most 2,000."
        assert await page.run(TITLES) == []
        page.events = [e for e in page.events if "413" not in str(e)]  # Chromium itself notes the refused request

    visit(address, what)


def test_titles_are_text_and_not_markup(address: str) -> None:
    async def what(page: Page) -> None:
        evil = (
            "{id: '1', title: '<img src=x onerror=alert(1)>', score: 1, confidence: null, mutual: null, paired: false}"
        )
        await page.run(f"show({{matches: [{evil}], warnings: ['<b>']}}, 'right')")
        assert await page.run(TITLES) == ["<img src=x onerror=alert(1)>"]
        assert await page.run("document.querySelectorAll('#matches img, #warnings b').length") == 0
        assert await page.run("[-0.001, 0, -1.5].map((s) => inDigits(s, 2))") == ["0.00", "0.00", "−1.50"]

    visit(address, what)


@pytest.mark.parametrize("width", [1200, 400])
def test_everything_fits_and_has_a_name(address: str, width: int) -> None:
    async def what(page: Page) -> None:
        await page.run("document.getElementById('query').value = 'a red square'")
        await page.run("document.getElementById('ask').requestSubmit()")
        await page.until("document.querySelectorAll('#matches img').length === 8")
        assert await page.run("document.documentElement.scrollWidth <= window.innerWidth")
        tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        roles = {"button", "textbox", "combobox", "link"}
        named = [n for n in tree if n.get("role", {}).get("value") in roles and not n.get("ignored")]
        assert len(named) >= 12 and all(n["name"]["value"] for n in named)
        assert any(n.get("role", {}).get("value") == "status" for n in tree)

    visit(address, what, width=width)


def test_a_bridge_is_asked_from_any_side_to_any_other(bridge: str, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(png("red"))
    chosen = "document.getElementById('from').value + ' ' + document.getElementById('to').value"

    async def what(page: Page) -> None:
        told = await page.run("document.getElementById('model').textContent")
        assert told == "colours: 8 pictures, 8 texts (en) and 8 texts (de)"
        assert await page.run(chosen) == "de image"  # one end of the bridge, and the other
        await page.run("document.getElementById('query').value = 'ein Quadrat in rot'")
        await page.run("document.getElementById('ask').requestSubmit()")
        await page.until(f"{TITLES}[0] === 'red picture'")
        assert await page.run(STATUS) == "de → image: 8 closest of 8 pictures"
        assert "log p(match | query)" in await page.run("document.getElementById('meaning').textContent")
        assert "rests on 1." in await page.run("document.getElementById('warnings').textContent")
        await page.run(
            "(f => { f.value = 'en'; f.dispatchEvent(new Event('change')); })(document.getElementById('from'))"
        )
        await page.run("document.getElementById('query').value = 'a blue square'")
        await page.run("document.getElementById('ask').requestSubmit()")
        await page.until(f"{TITLES}[0] === 'blue picture'")
        assert await page.run("document.getElementById('warnings').hidden")  # within one space
        await page.upload("#picture", tmp_path / "red.png")
        await page.until(f"{TITLES}[0] === 'red words'")
        assert await page.run(chosen) == "image de"
        await page.run("document.querySelector('#matches button').click()")
        await page.until(f"{TITLES}[0] === 'red picture'")
        assert await page.run(chosen) == "de image"
        assert await page.run("document.documentElement.scrollWidth <= window.innerWidth")

    visit(bridge, what)
