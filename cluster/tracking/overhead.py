"""Measures what tracking costs: ``python -m cluster.tracking.overhead [steps]`` prints it as JSON.

A run in which every step hits is the worst case for the wait at the end: the run itself takes no time, so all of
MLflow's import and all records fall into it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.tracking.database import default_uri
from cluster.tracking.tracker import Tracker


def measure(num_steps: int = 14, *, num_facts: int = 20) -> dict[str, float]:
    """Time a run of ``num_steps`` cached steps on a database that exists.

    Returns:
        listen_ms: median time of one ``listen``; listen_worst_ms: the longest one.
        close_s: the wait at the end, MLflow's import included when this process has not imported it yet.
        cpu_s: processor time of all that, which a busy machine does not stretch.
        drain_s, drain_cpu_s: the same for a second run of this process: the records alone.
        pending: records that did not arrive (0).
    """
    with tempfile.TemporaryDirectory(prefix="isthmus-overhead-") as scratch:
        home = Path(scratch)
        # in another process, so that this one still has MLflow's import before it
        code = f"from cluster.tracking.database import initialise; initialise({default_uri(home)!r})"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603
        output = _output(home)
        first = _timed_run(home, "first", num_steps, num_facts, output)
        second = _timed_run(home, "second", num_steps, num_facts, output)
        records_only = {"drain_s": second["close_s"], "drain_cpu_s": second["cpu_s"]}
        return {**first, **records_only, "pending": first["pending"] + second["pending"]}


def _timed_run(home: Path, run: str, num_steps: int, num_facts: int, output: Path) -> dict[str, float]:
    cpu = time.process_time()
    tracker = Tracker(home, uri=default_uri(home))
    spent = []
    for event in cached_run(run, num_steps, num_facts, output):
        start = time.perf_counter()
        tracker.listen(event)
        spent.append((time.perf_counter() - start) * 1000)
    result = tracker.close(timeout_s=60.0)
    return {
        "num_steps": num_steps,
        "listen_ms": round(sorted(spent)[len(spent) // 2], 3),
        "listen_worst_ms": round(max(spent), 3),
        "close_s": round(result.seconds, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "pending": result.pending,
    }


def cached_run(run: str, num_steps: int, num_facts: int, output: Path) -> Iterator[dict[str, Any]]:
    """The events of a run in which every step is a hit."""
    at = time.time()
    yield {"kind": "run-started", "time": at, "run": run, "pipeline": "overhead"}
    for n in range(num_steps):
        yield {
            "kind": "step-finished",
            "time": at,
            "run": run,
            "step": f"step-{n}",
            "key": f"{n:064x}",
            "version": "1",
            "cached": True,
            "seconds": 0.0,
            "facts": {f"fact-{i}": float(i) for i in range(num_facts)},
            "output": str(output),
            "origin_run": "earlier",
            "config": {f"field-{i}": i for i in range(num_facts)},
            "inputs": {"left": {"step": f"step-{n - 1}", "key": "k", "digest": f"{n:064x}"}} if n else {},
        }
    yield {"kind": "run-finished", "time": at, "run": run, "state": "DONE", "seconds": 0.1}


def _output(home: Path) -> Path:
    folder = home / "output"
    folder.mkdir()
    (folder / "MANIFEST.json").write_text(json.dumps({"step": "step", "files": []}))
    return folder


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 14)) + "\n")
