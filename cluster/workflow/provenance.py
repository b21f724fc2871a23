"""Where and by what something was made: git commit, versions, host. Recorded, never hashed."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("isthmus", "ray", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pyarrow", "mlflow", "pot")
_SECRET = re.compile(r"(?<=://)[^/@\s]+@")


@lru_cache(maxsize=1)
def provenance() -> dict[str, Any]:
    """Host, Python, package versions and git commit (with ``-dirty``) of this process; JSON."""
    return {
        "host": platform.node(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "git": git_commit(Path(__file__).parent),
    }


def git_commit(folder: Path) -> str | None:
    """Commit of the checkout that holds ``folder``, ``-dirty`` appended if tracked files differ; None outside git."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None
    return f"{head}-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else head


def without_secrets(text: str) -> str:
    """A URI without its user and password: these never enter manifests, records or error text."""
    return _SECRET.sub("***@", text)


def _git(folder: Path, *args: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(folder), *args]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=5, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
