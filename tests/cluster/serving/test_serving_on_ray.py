"""Under Ray Serve: the same answers as in one process, and no error for anybody when a replica is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import aiohttp
import psutil
import pytest
from served_app import on_loopback
from serving_world import COLOURS, colour_space

from cluster.serving.app import make_app
from cluster.serving.limits import Limits
from cluster.serving.replicas import Replicas
from cluster.serving.served import ServedSpace
from components.files import Folder
from components.model import SharedSpace

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]
PARALLEL, EACH = 12, 60


@pytest.fixture(scope="module")
def space() -> SharedSpace:
    return colour_space()


@pytest.fixture(scope="module")
def address(space: SharedSpace, ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    space.save(Folder.at(folder / "model").make())
    replicas = Replicas(folder / "model", home=folder, cache_dir=None, num=2, limits=Limits())
    try:
        with on_loopback(make_app(replicas.start(), ServedSpace(space).describe())) as address:
            yield address
    finally:
        replicas.stop()
    assert not replica_pids()  # Serve has ended, and Ray, which was not ours, goes on
    import ray

    assert ray.is_initialized()


def replica_pids() -> list[int]:
    """Of this process' own Ray only."""
    children = psutil.Process().children(recursive=True)
    return [p.pid for p in children if any("ServeReplica:isthmus" in part for part in p.cmdline())]


async def ask(session: aiohttp.ClientSession, address: str, colour: str) -> tuple[str, list[tuple[str, float]]]:
    async with session.post(f"{address}/search", json={"text": f"a {colour} square", "k": 3}) as response:
        body = await response.json()
        assert response.status == 200, (response.status, body)
        return colour, [(m["id"], m["score"]) for m in body["matches"]]


def test_answers_under_load_are_those_of_one_process_while_a_replica_is_killed(
    address: str, space: SharedSpace
) -> None:
    truth = {c: [(m.id, m.score) for m in space.search(f"a {c} square", side="right", k=3)] for c in COLOURS}
    before = replica_pids()
    assert len(before) == 2
    answered: list[str] = []

    async def client(session: aiohttp.ClientSession, names: list[str]) -> list[bool]:
        found = []
        for name in names:
            found.append(truth[name] == (await ask(session, address, name))[1])
            answered.append(name)
        return found

    async def killer() -> None:
        while len(answered) < 10 * PARALLEL:  # both replicas are at work by then, however busy the machine is
            await asyncio.sleep(0.01)
        os.kill(before[0], signal.SIGKILL)

    async def run() -> list[list[bool]]:
        names = list(COLOURS)
        async with aiohttp.ClientSession() as session:
            clients = [client(session, [names[(n + m) % 8] for m in range(EACH)]) for n in range(PARALLEL)]
            *equal, _ = await asyncio.gather(*clients, killer())
            for _ in range(1800):  # a new replica takes the dead one's place
                async with session.get(f"{address}/healthz") as response:
                    health = await response.json()
                if health["replicas"] == 2 and len(replica_pids()) == 2 and before[0] not in replica_pids():
                    break
                await asyncio.sleep(0.1)
            assert health["replicas"] == 2 and health["asked_again"] > 0
            assert await client(session, names) == [True] * 8
        return equal

    equal = asyncio.run(run())
    assert sum(map(len, equal)) == PARALLEL * EACH and all(map(all, equal))


def test_a_mistake_comes_back_from_a_replica_as_one_sentence(address: str) -> None:
    async def run() -> tuple[int, str]:
        async with aiohttp.ClientSession() as session:
            body = {"id": "../../etc/passwd", "from": "left"}
            async with session.post(f"{address}/search", json=body) as response:
                return response.status, (await response.json())["error"]

    assert asyncio.run(run()) == (404, "no row of the left side has this id")
