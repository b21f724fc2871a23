"""A bounded generator of load for the search service: requests at fixed times, whatever became of those before."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

IN_FLIGHT = 256  # a request that is due while so many wait counts as an error
TIMEOUT_S = 30.0

Query = Mapping[str, Any]


@dataclass
class Load:
    """What became of the requests. ``seconds`` are from when each was due, so waiting for a free slot counts."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    unequal: int = 0
    took: float = 0.0

    @property
    def errors(self) -> int:
        return self.statuses.total() - self.statuses["200"]

    def to_json(self) -> dict[str, Any]:
        """Percentiles in milliseconds, answers a second, and what was not a good answer."""
        ms = 1000 * np.array(self.seconds or [np.nan])
        quantiles = {f"p{q}_ms": float(np.percentile(ms, q)) for q in (50, 95, 99)}
        return {
            **quantiles,
            "max_ms": float(ms.max()),
            "qps": self.statuses["200"] / max(self.took, 1e-9),
            "requests": self.statuses.total(),
            "errors": self.errors,
            "unequal": self.unequal,
        }


class Client:
    """Sends searches to the service at ``address`` and compares answers with those it got before, alone."""

    def __init__(self, address: str, queries: Sequence[Query]) -> None:
        self._address, self._queries = address, queries
        self._truth: list[Any] = []

    async def learn(self) -> None:
        """Ask every query once, one after another: later answers have to be the same to the bit."""
        async with self._session() as session:
            for query in self._queries:
                async with session.post(f"{self._address}/search", json=query) as response:
                    response.raise_for_status()
                    self._truth.append(await response.json())

    async def steady(self, rate: float, seconds: float, midway: Callable[[], None] | None = None) -> Load:
        """``rate`` requests a second; ``midway`` is called once, at 40 % of the time."""
        load, start, total = Load(), time.monotonic() + 0.1, round(rate * seconds)
        tasks: set[asyncio.Task[None]] = set()
        async with self._session() as session:
            for number in range(total):
                due = start + number / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if number == round(0.4 * total) and midway:
                    midway()
                if len(tasks) >= IN_FLIGHT:
                    load.statuses["not sent"] += 1
                    continue
                task = asyncio.create_task(self._one(session, number % len(self._queries), due, load))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)
        load.took = time.monotonic() - start
        return load

    async def closed_loop(self, clients: int, seconds: float) -> Load:
        """As fast as ``clients`` get their answers: what the service can do at most."""
        load, start = Load(), time.monotonic()

        async def client(session: Any, number: int) -> None:
            while time.monotonic() < start + seconds:
                await self._one(session, number % len(self._queries), time.monotonic(), load)
                number += clients

        async with self._session() as session:
            await asyncio.gather(*(client(session, number) for number in range(clients)))
        load.took = time.monotonic() - start
        return load

    async def burst(self, num: int) -> Load:
        """``num`` requests at once, each on a connection of its own."""
        load, start = Load(), time.monotonic()
        async with self._session() as session:
            await asyncio.gather(*(self._one(session, n % len(self._queries), start, load) for n in range(num)))
        load.took = time.monotonic() - start
        return load

    async def _one(self, session: Any, number: int, due: float, load: Load) -> None:
        import aiohttp

        try:
            async with session.post(f"{self._address}/search", json=self._queries[number]) as response:
                answer = await response.json()
                load.statuses[str(response.status)] += 1
                load.unequal += response.status == 200 and answer != self._truth[number]
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            load.statuses[type(error).__name__] += 1
        load.seconds.append(time.monotonic() - due)

    def _session(self) -> Any:
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
        )
