"""The gate before the application: at most so many requests at a time, each of a bounded size, sent in bounded time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from cluster.serving.limits import Limits


class Gate:
    """ASGI middleware. A request's body is read here, whole, before anything else sees it."""

    def __init__(self, app: Any, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self.pending = 0
        self.turned_away = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self.pending >= self._limits.pending:
            self.turned_away += 1
            await self._refuse(send, 503, "too many requests at once; try again in a moment")
            return
        self.pending += 1
        try:
            await self._admitted(scope, receive, send)
        finally:
            self.pending -= 1

    async def _admitted(self, scope: Any, receive: Any, send: Any) -> None:
        limit = self._limits.body_bytes
        try:
            body = await asyncio.wait_for(_body(scope, receive, limit), self._limits.body_s)
        except TimeoutError:
            await self._refuse(send, 408, f"the request did not arrive within {self._limits.body_s:.0f} seconds")
            return
        except _Gone:
            return
        if body is None:
            await self._refuse(send, 413, f"the request is larger than {limit:,} bytes")
            return
        sent = False

        async def replay() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _refuse(self, send: Any, status: int, told: str) -> None:
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        if status == 503:
            headers.append((b"retry-after", str(self._limits.retry_after_s).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": told}).encode()})


class _Gone(Exception):
    """The client left in the middle of its request."""


async def _body(scope: Any, receive: Any, limit: int) -> bytes | None:
    """The whole body; None if it is too large, which a declared length tells before a byte is read."""
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        return None
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > limit:
            return None
    return b"".join(parts)
