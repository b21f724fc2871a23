"""Fixtures that all tests share: one Ray cluster for the whole session, a quiet environment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests never talk to a cluster or a tracking server that happens to be configured on this machine.
for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "ISTHMUS_HOME"):
    os.environ.pop(name, None)
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One local Ray for every test that needs one; started at the first of them."""
    import ray

    from cluster.runtime import quiet_environment

    token = tmp_path_factory.mktemp("ray-auth") / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    quiet_environment()
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


def _short_dir() -> Path:
    """Ray's sockets live below it: unix socket paths are limited to 107 bytes, so pytest's own are too long."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="isthmus-ray-", dir="/tmp"))
