"""Checkpoints: complete or not there; shares of a batch are the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from components.files import Folder
from components.training import Checkpoint, CheckpointStore, LocalSession, pack, share, unpack


def _checkpoint(epoch: int) -> Checkpoint:
    return Checkpoint(epoch, {"w": np.full((3, 2), epoch, np.float32)}, {"loss": [float(epoch)]})


def test_the_newest_complete_checkpoint_counts_and_old_ones_go(tmp_path: Path) -> None:
    store = CheckpointStore(Folder.at(tmp_path), keep=2)
    assert store.newest() is None
    for epoch in range(1, 6):
        store.write(_checkpoint(epoch))
    found = store.newest()
    assert found is not None and (found.epoch, found.facts) == (5, {"loss": [5.0]})
    assert (found.arrays["w"] == 5).all()
    assert sorted(p.name for p in tmp_path.glob("*.json")) == ["epoch-000004.json", "epoch-000005.json"]


@pytest.mark.parametrize("damage", ["no head", "cut", "flipped"])
def test_a_checkpoint_cut_off_while_it_was_written_does_not_count(tmp_path: Path, damage: str) -> None:
    store = CheckpointStore(Folder.at(tmp_path))
    store.write(_checkpoint(1))
    store.write(_checkpoint(2))
    data = tmp_path / "epoch-000002.safetensors"
    if damage == "no head":
        (tmp_path / "epoch-000002.json").unlink()
    elif damage == "cut":
        data.write_bytes(data.read_bytes()[:-5])
    else:
        data.write_bytes(data.read_bytes()[:-1] + b"\x7f")
    found = store.newest()
    assert found is not None and found.epoch == 1


def test_leftovers_of_a_killed_worker_are_swept(tmp_path: Path) -> None:
    store = CheckpointStore(Folder.at(tmp_path))
    (tmp_path / "epoch-000009.safetensors").write_bytes(b"half")
    store.write(_checkpoint(1))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-000001.json", "epoch-000001.safetensors"]


def test_packed_model_and_optimizer_go_on_as_if_never_stopped() -> None:
    def make() -> tuple[torch.nn.Linear, torch.optim.Adam]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        return layer, torch.optim.Adam(layer.parameters(), lr=0.1)

    def step(layer: torch.nn.Linear, optimizer: torch.optim.Adam) -> None:
        optimizer.zero_grad()
        layer(torch.ones(4, 3)).square().mean().backward()
        optimizer.step()

    one, two = make(), make()
    step(*one)
    packed = pack(*one)
    step(*one)
    unpack(packed, *two)
    step(*two)
    assert all(torch.equal(a, b) for a, b in zip(one[0].parameters(), two[0].parameters(), strict=True))


@pytest.mark.parametrize(("count", "world"), [(10, 2), (7, 3), (2, 4)])
def test_shares_of_all_workers_are_the_batch(count: int, world: int) -> None:
    class Worker(LocalSession):
        def __init__(self, rank: int) -> None:
            super().__init__()
            self.rank, self.world = rank, world

    parts = [share(np.arange(count), Worker(rank)) for rank in range(world)]
    assert np.concatenate(parts).tolist() == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
