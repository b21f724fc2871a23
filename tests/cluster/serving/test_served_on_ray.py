"""A bridge under Ray Serve: the answers of one process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from served_app import on_loopback
from serving_world import NAMES, TEXTS, colour_bridge

from cluster.serving.app import make_app
from cluster.serving.limits import Limits
from cluster.serving.replicas import Replicas
from cluster.serving.served import ServedBridge
from components.files import Folder


@pytest.mark.ray
@pytest.mark.slow
def test_replicas_of_a_bridge_answer_as_one_process_does(ray_cluster: None, tmp_path: Path) -> None:
    model = colour_bridge()
    model.save(Folder.at(tmp_path / "bridge").make())
    replicas = Replicas(tmp_path / "bridge", home=tmp_path, cache_dir=None, num=1, limits=Limits())

    async def run(address: str) -> list[Any]:
        async with aiohttp.ClientSession() as session:
            found = []
            for body in [{"text": text, "from": "de", "to": "image", "k": 3} for text in TEXTS["de"]] + [{"text": "a"}]:
                async with session.post(f"{address}/search", json=body) as response:
                    found.append((response.status, await response.json()))
            return found

    try:
        with on_loopback(make_app(replicas.start(), ServedBridge(model).describe())) as address:
            *answers, ambiguous = asyncio.run(run(address))
    finally:
        replicas.stop()
    for name, text, (status, answer) in zip(NAMES, TEXTS["de"], answers, strict=True):
        assert status == 200 and answer["matches"][0]["id"] == f"image/{name}"
        by_hand = model.search(text, asked="c", to="a", k=3)
        assert [(m["id"], m["score"]) for m in answer["matches"]] == [(m.id, m.score) for m in by_hand.matches]
        assert answer["ess"] == by_hand.ess and answer["warnings"] == list(by_hand.warnings)
    assert ambiguous == (422, {"error": "the query may be of en or de; say which: from"})
