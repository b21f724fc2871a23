"""``isthmus bench demo``: the main job from cold, the same command again, and ``plan``: seconds and peak memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import psutil

SAMPLE_S = 0.5
GIB = 1 << 30


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Run the built-in recipe in a fresh home. Memory is the proportional set size of the driver and all its children,
    Ray's processes and workers among them; shared pages count once. ``quick`` leaves SpectralNet out."""
    more = ["--set", "compare=[]"] if quick else []
    with tempfile.TemporaryDirectory(prefix="isthmus-demo-") as home:
        cold = _timed("run", home, more)
        again = _timed("run", home, more)
        plan = _timed("plan", home, more)
    return {
        "cold_seconds": cold["seconds"],
        "peak_gib": cold["peak_gib"],
        "second_run_seconds": again["seconds"],
        "plan_seconds": plan["seconds"],
    }


def _timed(verb: str, home: str, more: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "pipelines.cli", verb, "emoji", "--home", home, *more]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # our own command
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(SAMPLE_S if verb == "run" else 0.05)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return {"seconds": time.monotonic() - started, "peak_gib": peak / GIB}


def _memory(pid: int) -> int:
    """Proportional set size of a process and its descendants, in bytes."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += int(process.memory_full_info().pss)
    return total
