"""Overload and slow clients: a bounded number is let in, the others hear so at once, and the service goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from served_app import on_loopback
from serving_world import colour_space

from cluster.serving.app import make_app
from cluster.serving.asking import Answer, Ask
from cluster.serving.gate import Gate
from cluster.serving.limits import Limits
from cluster.serving.served import ServedSpace


class Application:
    """Answers 200 after a while and remembers how many it had at a time."""

    def __init__(self) -> None:
        self.now = self.most = self.seen = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.now, self.seen = self.now + 1, self.seen + 1
        self.most = max(self.most, self.now)
        self.body = (await receive())["body"]
        await asyncio.sleep(0.01)
        self.now -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def post(gate: Gate, *parts: bytes, length: int | None = None, pause: float = 0.0) -> tuple[int, dict[str, Any]]:
    """Status, and body of a refusal."""
    waiting, sent = [*parts], []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    await gate({"type": "http", "method": "POST", "headers": headers}, receive, send)
    if not sent:
        return 0, {}
    told = json.loads(sent[1]["body"]) if sent[1]["body"] else {}
    return sent[0]["status"], {**told, "headers": dict(sent[0]["headers"])}


def test_ten_thousand_at_once() -> None:
    app = Application()
    gate = Gate(app, Limits(pending=50))

    async def run() -> list[tuple[int, dict[str, Any]]]:
        return await asyncio.gather(*(post(gate, b"x") for _ in range(10_000)))

    answers = asyncio.run(run())
    statuses = [status for status, _ in answers]
    assert statuses.count(200) == app.seen >= 50 and statuses.count(503) == 10_000 - app.seen == gate.turned_away
    assert app.most == 50 and gate.pending == 0
    refused = next(told for status, told in answers if status == 503)
    assert refused["headers"][b"retry-after"] == b"1" and "too many requests" in refused["error"]
    assert asyncio.run(post(gate, b"x"))[0] == 200  # afterwards as if nothing had been


def test_bodies_are_bounded_in_bytes_and_time() -> None:
    app = Application()
    gate = Gate(app, Limits(body_bytes=10, body_s=0.05))
    assert asyncio.run(post(gate, b"12345", b"67890"))[0] == 200 and app.body == b"1234567890"
    for parts, length in (((b"12345", b"678901"), None), ((), 11)):
        status, told = asyncio.run(post(gate, *parts, length=length))
        assert status == 413 and told["error"] == "the request is larger than 10 bytes"
    status, told = asyncio.run(post(gate, b"1", b"2", pause=0.04))
    assert status == 408 and "did not arrive" in told["error"]
    assert asyncio.run(post(gate))[0] == 0  # the client left
    assert gate.pending == 0 and app.seen == 1


class Slow:
    """A backend that takes its time and then answers nothing."""

    async def ask(self, ask: Ask) -> Answer:
        await asyncio.sleep(0.05)
        return Answer(found={"matches": ()})

    async def health(self) -> Mapping[str, Any]:
        return {"ready": True}


def test_a_burst_over_a_socket_is_answered_or_refused() -> None:
    """Nothing but 200 and 503, on connections of their own, and good service right after."""
    app = make_app(Slow(), ServedSpace(colour_space()).describe(), Limits(pending=20))

    async def run(address: str) -> list[int]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def one() -> int:
                async with session.post(f"{address}/search", json={"text": "x"}) as response:
                    assert (response.status == 503) == ("retry-after" in response.headers)
                    await response.json()
                    return response.status

            statuses = await asyncio.gather(*(one() for _ in range(400)))
            assert await one() == 200
            return statuses

    with on_loopback(app) as address:
        statuses = asyncio.run(run(address))
    assert set(statuses) == {200, 503} and statuses.count(200) >= 20
