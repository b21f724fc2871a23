"""A process that fits: one job a line on stdin, one result a line on stdout, both JSON.

Every fit happens in a process of its own, forked from this one, which has the libraries in memory and has never fitted
anything: so CPU seconds and peak memory are those of the fit, and a fit that is killed costs nothing but itself. Where
forking is not safe (anything but Linux), a new interpreter is started instead.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import traceback
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from components.errors import UserError
from pipelines.bench.alignment.fitting import FitJob, about, fit, prepare, score

_PROC = Path("/proc/self")
_PRELOADED = ("faiss", "sklearn.cluster", "scipy.optimize", "scipy.sparse.linalg", "scipy.stats", "pyarrow.parquet")
_HEAVY = ("torch", "components.alignment.views", "components.alignment.contrastive", "components.spectral.nystrom")
MIB = 1 << 20


def run_one(job: FitJob, base_mib: float | None = None) -> dict[str, Any]:
    """One fit in this process, and what became of it: ``status`` ok, refused (a UserError) or failed.

    Args:
        base_mib: resident memory of a process with the libraries and nothing else; None: what this one has now.
    """
    birth = _memory_mib("VmRSS")
    try:
        data = prepare(job)
        _reset_peak()
        before, began = _memory_mib("VmRSS"), time.perf_counter()
        alignment, cpu_seconds = fit(job, data)
        seconds, peak = time.perf_counter() - began, _memory_mib("VmHWM")
        scores = score(alignment, data.gallery)
    except UserError as error:
        return {"status": "refused", "reason": str(error)}
    except Exception as error:
        return {"status": "failed", "reason": _first_line(error), "traceback": traceback.format_exc()}
    rows = {"left": len(data.left), "right": len(data.right), "gallery": len(data.gallery), "pairs": len(data.pairs)}
    memory = {"peak_mib": (base_mib or birth) + peak - birth, "growth_mib": peak - before}
    facts = {"cpu_seconds": cpu_seconds, "seconds": seconds, **memory, "rows": rows, **about(alignment)}
    return {"status": "ok", "scores": scores, **facts, "diagnostics": _jsonable(alignment.diagnostics)}


def _memory_mib(name: str) -> float:
    if not (_PROC / "status").exists():
        import psutil

        return float(psutil.Process().memory_info().rss) / MIB
    line = next(line for line in (_PROC / "status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def _reset_peak() -> None:
    """Forget what reading the rows took at its highest. See proc(5), clear_refs."""
    gc.collect()
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:  # then the peak of reading counts too
        return


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _jsonable(value: Any) -> Any:
    """Diagnostics as JSON; whatever is neither plain nor a number becomes its text."""
    return json.loads(json.dumps(value, default=lambda v: v.item() if hasattr(v, "item") else str(v)))


def _forked(job: FitJob, base_mib: float) -> dict[str, Any]:
    """Run a job in a child and wait for it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.dup2(2, 1)  # whatever a library prints must not end up among the results
        with os.fdopen(writing, "w") as pipe:
            json.dump(run_one(job, base_mib), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    return _result(text, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _spawned(job: FitJob, heavy: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipelines.bench.alignment.worker", json.dumps(asdict(job))]
    command += ["--torch"] if heavy else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own module
    return _result(done.stdout, done.returncode)


def _result(text: str, code: int) -> dict[str, Any]:
    if code == 0 and text:
        found: dict[str, Any] = json.loads(text.splitlines()[-1])
        return found
    why = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return {"status": "failed", "reason": f"the process of the fit {why}", "traceback": ""}


def main(arguments: list[str]) -> None:
    """With a job as JSON: that one, in this process. Else the jobs on stdin, with ``--torch`` for methods that need
    it."""
    heavy = "--torch" in arguments
    for name in (*_PRELOADED, *(_HEAVY if heavy else ())):
        import_module(name)
    if jobs := [a for a in arguments if a != "--torch"]:
        sys.stdout.write(json.dumps(run_one(FitJob(**json.loads(jobs[0])))) + "\n")
        return
    base, forks = _memory_mib("VmRSS"), sys.platform == "linux"
    for line in sys.stdin:
        job = FitJob(**json.loads(line))
        sys.stdout.write(json.dumps(_forked(job, base) if forks else _spawned(job, heavy)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
