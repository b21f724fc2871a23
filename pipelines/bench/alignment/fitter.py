"""The near end of :mod:`pipelines.bench.alignment.worker`: kept by the thread that asks, started once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any

from pipelines.bench.alignment.fitting import FitJob
from pipelines.bench.alignment.methods import WITHOUT_TORCH

_own = threading.local()


def run_apart(job: FitJob) -> dict[str, Any]:
    """Fit in a process of its own and wait. See :func:`pipelines.bench.alignment.worker.run_one` for the result."""
    heavy = job.method not in WITHOUT_TORCH
    workers: dict[bool, subprocess.Popen[str]] = _own.__dict__.setdefault("workers", {})
    worker = workers.get(heavy)
    if worker is None or worker.poll() is not None:
        worker = workers[heavy] = _start(heavy)
    assert worker.stdin is not None and worker.stdout is not None
    try:
        worker.stdin.write(json.dumps(asdict(job)) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
    except BrokenPipeError:
        line = ""
    if line:
        found: dict[str, Any] = json.loads(line)
        return found
    return {"status": "failed", "reason": f"the fitting process ended with code {worker.wait()}", "traceback": ""}


def _start(heavy: bool) -> subprocess.Popen[str]:
    """One thread per fit, as in a Ray task: cells run side by side, and CPU seconds must not depend on idle cores."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pipelines.bench.alignment.worker", *(["--torch"] if heavy else [])]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)  # noqa: S603
