"""``isthmus evaluate`` in a process of its own, as users run it, and its numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def evaluated(recipe: str | Path, home: Path, *, only: Sequence[str], settings: Sequence[str] = ()) -> dict[str, Any]:
    """Numbers of some applications by key. Raises RuntimeError with the end of what was printed if it fails."""
    numbers = home / "applications.json"
    command = [sys.executable, "-m", "pipelines.cli", "evaluate", str(recipe), "--no-ray", "--home", str(home)]
    command += ["--metrics-out", str(numbers)]
    command += [word for name in only for word in ("--only", name)]
    command += [word for setting in settings for word in ("--set", setting)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  ours
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-800:]}")
    found: dict[str, Any] = json.loads(numbers.read_text())
    return found
