"""A head that outlives its command: jobs over HTTP with a token, and nothing of it left after `down`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from worlds import write_world

from cluster.local_head import LocalHead, down, find
from components.errors import UserError

ROOT = Path(__file__).parents[2]
FAST = ("aligner=procrustes", "splits.draws=2", "preprocess.pca_dim=null")


def isthmus(home: Path, *args: str, code: int = 0) -> str:
    """Run a command as a user without any token or cluster of their own."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("RAY_A")}
    environment = {**mine, "HOME": str(home), "ISTHMUS_HOME": str(home / "data"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *args],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    if find(tmp_path / "data"):
        down(tmp_path / "data")


@pytest.fixture
def held() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def recorded(home: Path, pid: int, began: float) -> None:
    head = LocalHead(
        address="http://127.0.0.1:9", gcs="127.0.0.1:9", token="t", temp=str(home / "t"), pid=pid, began=began,
        members={pid: began},
    )  # fmt: skip
    (home / "cluster.json").write_text(json.dumps(asdict(head)))


def test_a_process_number_that_was_used_again_is_not_ours(tmp_path: Path) -> None:
    myself = psutil.Process()
    recorded(tmp_path, myself.pid, myself.create_time())
    assert find(tmp_path) is not None
    recorded(tmp_path, myself.pid, myself.create_time() - 100)
    assert find(tmp_path) is None
    with pytest.raises(UserError, match="no cluster of this home runs"):
        down(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"members": 3}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.json").write_text(text)
    assert find(tmp_path) is None


@pytest.mark.ray
@pytest.mark.slow
def test_up_submit_follow_stop_down_beside_another_ray(home: Path, held: contextlib.ExitStack) -> None:
    world = write_world(home / "world")
    with contextlib.suppress(OSError):  # somebody else's Ray holds the port that agents have by default
        held.enter_context(socket.create_server(("127.0.0.1", 52365)))
    told = isthmus(home, "cluster", "up", "--local", "--cpus", "2")
    head = find(home / "data")
    assert head is not None
    assert head.address in told
    token = home / "data" / "ray-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    family = head.family()
    for process in family:
        assert token.read_text() not in " ".join(process.cmdline())
    assert "runs already, at" in isthmus(home, "cluster", "up", code=2)

    settings = [arg for s in FAST for arg in ("--set", s)]
    told = isthmus(home, "submit", str(world.recipe), "--address", head.address, "--follow", *settings)
    assert " SUCCEEDED after " in told
    assert "report" in told
    job = re.search(r"submitted (\S+)", told)
    assert job
    assert "SUCCEEDED" in isthmus(home, "jobs")
    assert "procrustes" in isthmus(home, "jobs", "--logs", job[1])
    failed = isthmus(home, "submit", str(world.recipe), "--follow", "--set", "pairs=/gone.csv", code=2)
    assert " FAILED after " in failed
    assert "/gone.csv" in failed

    long = isthmus(home, "submit", str(world.recipe), "--set", "seed=5")
    job = re.search(r"submitted (\S+)", long)
    assert job
    assert "is being stopped" in isthmus(home, "stop", job[1])
    assert " STOPPED after " in isthmus(home, "jobs", "--follow", job[1], code=130)
    assert "answers" in isthmus(home, "cluster", "status")
    assert token.read_text() not in "".join(p.read_text(errors="ignore") for p in (home / "data").rglob("*.log"))

    isthmus(home, "cluster", "down")
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert not Path(head.temp).exists()
    isthmus(home, "cluster", "status", code=1)
