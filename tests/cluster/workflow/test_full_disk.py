"""A disk that is really full: one sentence, nothing half-written is taken for a result, and what was done stays."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow_bodies import make

from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.store import Store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"mounting is not allowed here: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_loses_nothing(small_disk: Path) -> None:
    store = Store.at(small_disk / "store")
    graph = Graph.of(make("big", make("small"), body="disk_full", bytes=8_000_000))
    failed = execute(graph, store, InProcess)
    assert failed.steps["small"].state == "RAN"
    assert failed.steps["big"].state == "FAILED"
    assert "the disk is full; free some space and run the same command again" in str(failed.error)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = execute(graph, store, InProcess)
    assert {n: s.state for n, s in again.steps.items()} == {"small": "HIT", "big": "RAN"}
