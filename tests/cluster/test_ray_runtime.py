"""RaySession: starts and stops only what is its own; a killed driver leaves nothing running."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cluster.runtime import RaySession, default_object_store_bytes, quiet_environment
from components.errors import UserError

DRIVER = """
import os, sys
from pathlib import Path
from cluster.runtime import RaySession, cluster_summary
session = RaySession(home=Path(sys.argv[1]), num_cpus=1, object_store_bytes=128 << 20).start()
import ray
print("cpus", cluster_summary()["cpus"], flush=True)
print("dir", ray._private.worker._global_node.get_session_dir_path(), flush=True)
print("ready", flush=True)
input()
session.stop()
print("stopped", ray.is_initialized(), "RAY_AUTH_TOKEN_PATH" in os.environ, flush=True)
"""


def test_an_address_where_nobody_answers_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(UserError, match=f"127.0.0.1:{port}: no Ray cluster answers"):
        _unconnected(RaySession(f"127.0.0.1:{port}", home=tmp_path))
    assert time.monotonic() - started < 30


def _unconnected(session: RaySession) -> None:
    """``start`` without the shortcut for processes that are connected already (another test's Ray)."""
    session._attach(session.address or "")


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:port"])
def test_what_is_no_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError, match="no address of Ray"):
        _unconnected(RaySession(address, home=tmp_path))


def test_the_environment_is_quiet_but_the_users_own_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TQDM", "1")
    monkeypatch.delenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", raising=False)
    quiet_environment()
    assert os.environ["RAY_TQDM"] == "1"
    assert os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"


def test_the_object_store_is_bounded() -> None:
    assert 128 << 20 <= default_object_store_bytes() <= 1 << 30


def test_the_token_is_private_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    RaySession(home=tmp_path / "home")._private_token()
    token = tmp_path / "home" / "ray-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) == 64
    before = token.read_text()
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    RaySession(home=tmp_path / "home")._private_token()
    assert token.read_text() == before


@pytest.mark.ray
def test_inside_a_connected_process_nothing_is_started_or_stopped(ray_cluster: None, tmp_path: Path) -> None:
    import ray

    with RaySession("10.255.255.1:1", home=tmp_path) as session:
        assert (session.started, session.attached) == (False, False)
    assert ray.is_initialized()


@pytest.mark.ray
@pytest.mark.slow
def test_a_session_ends_cleanly_and_a_killed_driver_leaves_no_process(tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")} | {"HOME": str(user)}
    for ending in ("stop", "kill"):
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path / "home")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert driver.stdin is not None
        assert driver.stdout is not None
        assert driver.stdout.readline() == "cpus 1.0\n"
        session_dir = Path(driver.stdout.readline().split()[1])
        assert driver.stdout.readline() == "ready\n"
        assert stat.S_IMODE((tmp_path / "home" / "ray-token").stat().st_mode) == 0o600
        # Ray's two agents tell the dead cluster of its death first: they end by themselves, after up to a minute
        children = [c for c in psutil.Process(driver.pid).children(recursive=True) if "Agent" not in c.name()]
        assert {"raylet", "gcs_server"} <= {c.name() for c in children}
        if ending == "stop":
            driver.stdin.write("\n")
            driver.stdin.flush()
            assert driver.stdout.read() == "stopped False False\n"
            assert not session_dir.exists()
        else:
            os.kill(driver.pid, signal.SIGKILL)
        driver.wait(timeout=30)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
        assert not (user / ".ray").exists(), "Ray's own token file is for everybody to read"
