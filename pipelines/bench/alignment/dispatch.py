"""One dispatcher for all corpora of a bench: on Ray, or on threads of this process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from cluster.workflow.events import Event
from cluster.workflow.job import Dispatcher, Job, Outcome
from pipelines.bench.alignment.options import BenchOptions
from pipelines.home import Home


@contextlib.contextmanager
def dispatchers(options: BenchOptions, home: Home) -> Iterator[Callable[[], Dispatcher]]:
    """A factory for the executor. What it makes is started when the first cell has to be fitted, and closed at the
    end of the block."""
    made: list[_Shared] = []

    def factory() -> Dispatcher:
        if not made:
            made.append(_Shared(_on_ray(options, home) if options.use_ray else _TwoLanes(options.workers or 1)))
        return made[0]

    try:
        yield factory
    finally:
        for dispatcher in made:
            dispatcher.end()


class _Shared:
    """A dispatcher that outlives the runs that use it."""

    def __init__(self, inner: Dispatcher) -> None:
        self._inner = inner
        self.submit, self.poll, self.cancel = inner.submit, inner.poll, inner.cancel

    def close(self) -> None:
        """Not yet: the next corpus goes on with it."""

    def end(self) -> None:
        self._inner.close()


class _TwoLanes:
    """Cells side by side, as each is fitted in a process of its own; all other steps one at a time, as they work in
    this process and not all of their libraries (torch's export to ONNX) bear company."""

    def __init__(self, cells: int) -> None:
        from cluster.workflow.inprocess import InProcess

        self._cells, self._others = InProcess(threads=cells), InProcess()

    def submit(self, job: Job) -> None:
        (self._cells if job.step.run.endswith(":run_cell") else self._others).submit(job)

    def poll(self, timeout_s: float) -> list[Event | Outcome]:
        return [*self._others.poll(timeout_s / 2), *self._cells.poll(timeout_s / 2)]

    def cancel(self, name: str) -> None:
        """Not possible for threads, see :class:`cluster.workflow.inprocess.InProcess`."""

    def close(self) -> None:
        self._cells.close()
        self._others.close()


def _on_ray(options: BenchOptions, home: Home) -> Dispatcher:
    from cluster.runtime import RaySession
    from cluster.workflow.ray_dispatch import RayDispatcher

    session = RaySession(options.address, home=home.path, num_cpus=options.workers)

    class OnRay(RayDispatcher):
        def close(self) -> None:
            super().close()
            session.stop()

    session.start()
    return OnRay(elastic=session.attached)
