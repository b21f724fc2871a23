"""The near end of :mod:`pipelines.bench.alignment.worker`: one such process per thread that asks, started once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any

from pipelines.bench.alignment.fitting import FitJob

_own = threading.local()


def run_apart(job: FitJob) -> dict[str, Any]:
    """Fit in a process of its own and wait. See :func:`pipelines.bench.alignment.worker.run_one` for the result."""
    worker: subprocess.Popen[str] | None = getattr(_own, "worker", None)
    if worker is None or worker.poll() is not None:
        worker = _own.worker = _start()
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


def _start() -> subprocess.Popen[str]:
    """One thread per fit, as in a Ray task: cells run side by side, and CPU seconds must not depend on idle cores."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pipelines.bench.alignment.worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)  # noqa: S603
