"""System metrics of long steps, sampled on the driver's machine with psutil (and NVML where it is importable).

MLflow shows metrics with the prefix ``system/`` in their own tab. Steps that run side by side share a machine, so each
of them gets the figures of the whole process tree (driver, local Ray, its workers). Other machines are not seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

LONG_STEP_S = 10.0
MIB = 2**20

Sample = dict[str, float]
Emit = Callable[[str, int, int, Mapping[str, float]], None]


@dataclass
class _Watched:
    since: float
    index: int = 0
    held: list[tuple[int, Sample]] = field(default_factory=list)
    next_at: float = 0.0


class Sampler:
    """Samples while steps run; hands over nothing for a step that ends within ``long_step_s``.

    Args:
        emit: called from the sampler's thread with (step, time in ms, index, values).
        interval_s: seconds between samples in a step's first two minutes; five times that later.
        long_step_s: steps shorter than this leave no system metrics.
    """

    def __init__(self, emit: Emit, *, interval_s: float = 2.0, long_step_s: float = LONG_STEP_S) -> None:
        self._emit, self._interval_s, self._long_step_s = emit, interval_s, long_step_s
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def begin(self, step: str) -> None:
        """A step started."""
        with self._lock:
            self._watched[step] = _Watched(since=time.monotonic())
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="isthmus-system-metrics", daemon=True)
                self._thread.start()
        self._wake.set()

    def end(self, step: str) -> None:
        """A step ended; nothing is emitted for it any more."""
        with self._lock:
            self._watched.pop(step, None)

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        read = process_tree_reader()
        while not self._stopped:
            if not self._watched:
                self._wake.wait()
                self._wake.clear()
                continue
            try:
                self._offer(read())
            except Exception:  # noqa: S110  # a vanished process or a full disk: sampling is a courtesy, go on
                pass
            self._wake.clear()
            self._wake.wait(self._interval_s)

    def _offer(self, sample: Sample) -> None:
        now = time.monotonic()
        with self._lock:
            for step, watched in self._watched.items():
                age = now - watched.since
                if now < watched.next_at:
                    continue
                watched.next_at = now + (self._interval_s * 0.9 if age < 120 else self._interval_s * 5)
                watched.held.append((int(time.time() * 1000), sample))
                if age >= self._long_step_s:
                    self._release(step, watched)

    def _release(self, step: str, watched: _Watched) -> None:
        for time_ms, sample in watched.held:
            self._emit(step, time_ms, watched.index, sample)
            watched.index += 1
        watched.held.clear()


def process_tree_reader() -> Callable[[], Sample]:
    """A function that measures this process and its descendants. The first call has no CPU figure to compare with."""
    import psutil

    root = psutil.Process()
    known: dict[int, psutil.Process] = {root.pid: root}
    gpu = _gpu_reader()

    def read() -> Sample:
        alive = {p.pid: known.get(p.pid, p) for p in (root, *root.children(recursive=True))}
        known.clear()
        known.update(alive)
        cpu, private, shared = 0.0, 0, 0
        for process in alive.values():
            try:
                with process.oneshot():
                    cpu += process.cpu_percent(None)
                    memory = process.memory_info()
            except psutil.Error:
                continue
            # pages shared through Ray's object store are in every worker's resident set: count them once
            private += memory.rss - getattr(memory, "shared", 0)
            shared = max(shared, getattr(memory, "shared", 0))
        return {
            "system/process_tree_cpu_percent": cpu,
            "system/process_tree_memory_mib": (private + shared) / MIB,
            "system/cpu_utilization_percentage": psutil.cpu_percent(None),
            "system/system_memory_usage_percentage": psutil.virtual_memory().percent,
            **gpu(),
        }

    return read


def _gpu_reader() -> Callable[[], Sample]:
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no library, no driver or no device
        return dict
    return lambda: {
        f"system/gpu_{i}_memory_usage_mib": float(pynvml.nvmlDeviceGetMemoryInfo(handle).used) / MIB
        for i, handle in enumerate(handles)
    }
