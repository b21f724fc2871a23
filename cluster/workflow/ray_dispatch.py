"""Runs jobs as Ray tasks: one task a step, with the CPUs and GPUs that the step declares.

A step that drives Ray Data, Train or Tune declares none. A lost worker is replaced twice; an error of the body itself
is not retried. Ray is imported when the first dispatcher is made.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster.workflow.capture import captured, tail
from cluster.workflow.events import Event, Kind
from cluster.workflow.failures import sentence
from cluster.workflow.job import Job, Outcome, run_job
from cluster.workflow.mailbox import Inbox, MailboxEmit

RETRIES = 2
_PATIENCE = 6  # calls of ten seconds without an answer, until outcomes are told without the events before them


class RayDispatcher:
    """A dispatcher on the Ray that this process is connected to.

    Args:
        elastic: the cluster may grow. Then a step that needs more than there is waits; otherwise it fails at once.
    """

    def __init__(self, *, elastic: bool = False) -> None:
        import ray

        self._elastic = elastic
        self._inbox = Inbox()
        self._task = ray.remote(run_job_on_worker)
        self._jobs: dict[Any, Job] = {}
        self._told: list[Event | Outcome] = []
        self._ended: list[Outcome] = []
        self._silent = 0

    def submit(self, job: Job) -> None:
        if lacking := _lacking(job):
            self._refuse(job, lacking)
        if not lacking or self._elastic:
            task = self._task.options(
                num_cpus=job.resources.cpus,
                num_gpus=job.resources.gpus,
                max_retries=RETRIES,
                name=job.name,
                scheduling_strategy="DEFAULT",  # inside a trial of Tune: not within what the trial has reserved
            )
            self._jobs[task.remote(job, self._inbox.emit())] = job

    def poll(self, timeout_s: float) -> list[Event | Outcome]:
        """Events before the outcome of the step that they belong to."""
        import ray

        told, self._told = self._told, []
        done: list[Any] = []
        if self._jobs:
            try:
                done, _ = ray.wait(list(self._jobs), num_returns=1, timeout=0 if told else timeout_s)
            except Exception:  # Ray itself is gone: asking for each result says so
                done = list(self._jobs)
        self._ended += [self._outcome(ref) for ref in done]
        events = self._inbox.take()
        self._silent = self._silent + 1 if events is None else 0
        if 0 < self._silent < _PATIENCE:
            return told
        ended, self._ended = self._ended, []
        return [*told, *(events or ()), *ended]

    def cancel(self, name: str) -> None:
        """Kill the worker; the outcome says so."""
        import ray

        for ref in [r for r, job in self._jobs.items() if job.name == name]:
            with contextlib.suppress(Exception):
                ray.cancel(ref, force=True)

    def stop_jobs(self) -> None:
        """Stop whatever still runs; the dispatcher can be used further."""
        for name in {job.name for job in self._jobs.values()}:
            self.cancel(name)
        self._jobs.clear()

    def close(self) -> None:
        self.stop_jobs()
        self._inbox.close()

    def _outcome(self, ref: Any) -> Outcome:
        import ray

        job = self._jobs.pop(ref)
        try:
            outcome: Outcome = ray.get(ref)
            return outcome
        except Exception as exc:
            log = "\n".join([_left_behind(job), str(exc)]).strip()
            return Outcome(name=job.name, seconds=0.0, error=killed_sentence(exc), log=log + "\n")

    def _refuse(self, job: Job, lacking: str) -> None:
        if self._elastic:
            text = f"{job.name} waits for the cluster to grow: {lacking}"
            self._told.append({"kind": Kind.NOTE.value, "step": job.name, "text": text})
            return
        error = f"{lacking}; ask for less in the recipe's scaling block, or use a larger cluster (--address)"
        self._told.append(Outcome(name=job.name, seconds=0.0, error=error))


def run_job_on_worker(job: Job, emit: MailboxEmit) -> Outcome:
    """The Ray task: run a job with its output captured. Returns failures of the body, raises none of them."""
    from cluster.runtime import quiet_environment

    quiet_environment()
    emit.flush()  # the way to the driver is open before the work begins
    with contextlib.ExitStack() as stack:
        folder = job.draft.local if job.draft.is_local else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / f"{secrets.token_hex(4)}.log"
        with captured(path):
            outcome = run_job(job, emit)
        emit.flush()
        return replace(outcome, log=tail(path) + outcome.log)


def killed_sentence(exc: BaseException) -> str:
    """Why a task that did not come back did not, for somebody who has never read Ray's log."""
    import ray.exceptions as rx

    tries = f"{RETRIES + 1} times in a row"
    if isinstance(exc, rx.OutOfMemoryError):
        return (
            f"the worker was stopped {tries} because the node ran out of memory; use smaller batches or fewer workers"
        )
    if isinstance(exc, rx.TaskCancelledError):
        return "the step was cancelled"
    if isinstance(exc, rx.WorkerCrashedError):
        return (
            f"the worker process was killed {tries} (signal 9 usually means that the system ran out of memory, "
            "signal 11 that native code crashed); use smaller batches or fewer workers"
        )
    if isinstance(exc, rx.NodeDiedError):
        return f"the node that ran the step was lost {tries}"
    if isinstance(exc, rx.LocalRayletDiedError | rx.RaySystemError):
        return "Ray itself stopped; the same command starts it again"
    return sentence(exc)


def _lacking(job: Job) -> str:
    """What a step needs and the whole cluster does not have, in words."""
    import ray

    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    wants = {"CPU": job.resources.cpus, "GPU": job.resources.gpus}
    short = [f"{need:g} {kind}s of {have.get(kind, 0):g}" for kind, need in wants.items() if need > have.get(kind, 0)]
    return f"the step asks for {' and '.join(short)}" if short else ""


def _left_behind(job: Job) -> str:
    """What killed workers had printed: their captures lie in the draft, if that is on a shared disk."""
    if not job.draft.is_local:
        return ""
    logs = sorted(job.draft.local.glob("*.log"), key=lambda p: p.stat().st_mtime)
    return "\n".join(tail(path) for path in logs)
