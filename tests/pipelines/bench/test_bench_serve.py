"""The generator of load tells errors, wrong answers and refusals apart; waiting counts from when a request was due."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served_app import on_loopback
from serving_world import COLOURS, colour_space

from cluster.serving.app import make_app
from cluster.serving.asking import Answer, Ask, Worker
from cluster.serving.limits import Limits
from cluster.serving.served import ServedSpace
from pipelines.bench.applications import serve
from pipelines.bench.applications.load import Client

SPACE = colour_space()
QUERIES = [{"text": f"a {colour} square", "k": 3} for colour in COLOURS]


class Backend:
    """Answers rightly, until told otherwise."""

    def __init__(self) -> None:
        self.worker, self.mode = Worker(ServedSpace(SPACE)), "good"

    async def ask(self, ask: Ask) -> Answer:
        if self.mode == "broken":
            raise RuntimeError
        if self.mode == "slow":
            await asyncio.sleep(0.2)
        if self.mode == "wrong":
            ask = Ask(side="right", items=("a red square",), to="left", k=3)
        return self.worker.answer([ask])[0]

    async def health(self) -> Mapping[str, Any]:
        return {"ready": True}


def test_every_kind_of_answer_is_counted_as_what_it_is() -> None:
    backend = Backend()

    async def run(address: str) -> dict[str, dict[str, Any]]:
        client, found = Client(address, QUERIES), {}
        await client.learn()
        for mode in ("good", "wrong", "broken", "slow"):
            backend.mode = mode
            found[mode] = (await client.steady(100, 0.4)).to_json()
        backend.mode = "slow"
        found["burst"] = serve._crowd(await client.burst(40))
        return found

    with on_loopback(make_app(backend, ServedSpace(SPACE).describe(), Limits(pending=30))) as address:
        found = asyncio.run(run(address))
    assert {k: found["good"][k] for k in ("requests", "errors", "unequal")} == {
        "requests": 40,
        "errors": 0,
        "unequal": 0,
    }
    assert found["wrong"]["unequal"] == 35 and found["wrong"]["errors"] == 0  # one in eight is about red
    assert found["broken"]["errors"] == 40 and found["broken"]["qps"] == 0
    assert found["slow"]["p50_ms"] >= 200
    assert found["burst"]["answered"] + found["burst"]["told_to_wait"] == 40 and found["burst"]["told_to_wait"] > 0


def test_a_server_that_stops_for_a_while_delays_all_that_were_due_meanwhile() -> None:
    backend = Backend()

    def stop() -> None:
        time.sleep(0.5)  # nothing can be sent either: a generator that waits would hide it

    async def run(address: str) -> dict[str, Any]:
        client = Client(address, QUERIES)
        await client.learn()
        return (await client.steady(50, 1.0, stop)).to_json()

    with on_loopback(make_app(backend, ServedSpace(SPACE).describe())) as address:
        found = asyncio.run(run(address))
    assert found["errors"] == 0 and found["max_ms"] > 450 and found["p95_ms"] > 300


def test_nobody_there_is_an_error_and_no_exception() -> None:
    client = Client("http://127.0.0.1:9", QUERIES)
    load = asyncio.run(client.burst(3))
    assert load.errors == 3 and load.statuses["ClientConnectorError"] == 3


def test_synthetic_rows_have_a_true_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "ENCODER", "hashed-tfidf")
    names = [f"{a} {b}" for a in ("red", "small", "old", "wet") for b in ("cat", "house", "ship", "tree", "cup")]
    space = serve.synthetic_space(names, 400)
    assert [len(side.index) for side in space.sides.values()] == [400, 400]
    titles = [space.search(name, side="right", k=1)[0].title for name in names]
    assert np.mean([a == b for a, b in zip(titles, names, strict=True)]) > 0.9
    match = next(m for m in space.search(names[0], side="right", k=30) if not m.paired)
    assert match.confidence is not None


@pytest.mark.ray
@pytest.mark.slow
def test_isthmus_serve_itself(tmp_path: Path) -> None:
    """The command, from a folder to an address, and its end: no process of it is left."""
    from components.files import Folder

    SPACE.save(Folder.at(tmp_path / "model").make())
    import psutil

    with serve._service(tmp_path / "model", tmp_path / "home") as (address, process):
        found = psutil.Process(process).children(recursive=True)
        assert len(serve.replicas_of(process)) == 2

        async def run() -> tuple[int, int]:
            client = Client(address, QUERIES)
            await client.learn()

            def kill() -> None:
                os.kill(serve.replicas_of(process)[0], signal.SIGKILL)

            load = await client.steady(20, 3.0, kill)
            return load.errors, load.unequal

        assert asyncio.run(run()) == (0, 0)
    psutil.wait_procs(found, timeout=20)
    assert not [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
