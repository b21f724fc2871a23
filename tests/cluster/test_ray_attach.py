"""Attaching to a cluster that asks for a token."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = """
import sys
from cluster.runtime import quiet_environment
quiet_environment()
import ray
context = ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False,
                   object_store_memory=200 << 20, _temp_dir=sys.argv[1])
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""
DRIVER = """
import sys
from pathlib import Path
from cluster.runtime import RaySession, cluster_summary
with RaySession(sys.argv[1], home=Path(sys.argv[2])) as session:
    print(session.attached, session.started, int(cluster_summary()["cpus"]))
"""


def python(code: str, *args: str, token: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token)}
    environment.pop("RAY_AUTH_MODE", None)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", code, *args], cwd=ROOT, env=environment, text=True, **pipes)


@pytest.mark.ray
@pytest.mark.slow
def test_a_driver_attaches_with_the_token_of_its_user(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    with tempfile.TemporaryDirectory(prefix="isthmus-ray-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        head = python(HEAD, temp, token=token)
        try:
            assert head.stdout is not None
            address = head.stdout.readline().strip()
            assert ":" in address
            driver = python(DRIVER, address, str(tmp_path / "home"), token=token)
            output, _ = driver.communicate(timeout=120)
            assert output.split() == ["True", "False", "1"]
        finally:
            head.kill()
            head.wait()
