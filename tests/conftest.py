"""Fixtures that all tests share: one Ray cluster for the whole session, a quiet environment."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Tests never talk to a cluster or a tracking server that happens to be configured on this machine.
for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "ISTHMUS_HOME"):
    os.environ.pop(name, None)
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
# As on Ray, where a task has one thread: the matrices are small, and threads that wait for each other are slow.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One local Ray for every test that needs one; started at the first of them."""
    from cluster.runtime import quiet_environment

    quiet_environment()  # before Ray is imported
    import ray

    token = tmp_path_factory.mktemp("ray-auth") / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=512 << 20,
        _temp_dir=str(_short_dir()),
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def make_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes home folders whose tracking database is there already: creating its tables takes seconds each time."""
    from cluster.tracking.database import default_uri, initialise

    template = tmp_path_factory.mktemp("tracking")
    initialise(default_uri(template))

    def make(path: Path) -> Path:
        shutil.copytree(template, path)
        return path

    return make


@pytest.fixture
def s3_uri(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder in an empty bucket; see :mod:`s3_server`."""
    import s3_server

    for name, value in s3_server.USER.items():
        monkeypatch.setenv(name, value)
    with s3_server.bucket() as uri:
        yield uri


def _short_dir() -> Path:
    """Ray's sockets live below it: unix socket paths are limited to 107 bytes, so pytest's own are too long."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="isthmus-ray-", dir="/tmp"))
