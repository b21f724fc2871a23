"""Ray Tune: runs the trials of a search side by side, stops hopeless ones early, queues what does not fit.

A trial is a call of ``evaluate(task, emit, report) -> outcome``; it starts whatever work it needs as Ray tasks, Ray
Data or Ray Train. It reserves no CPU itself: trials that hold CPUs while their work waits for some wait for ever
(ray #25239). Nothing that Tune leaves on disk is ever read again; who resumes a search asks the store which trials are
there.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cluster.workflow.events import Event, flush
from cluster.workflow.mailbox import MailboxEmit
from cluster.workflow.step import Emit
from components.errors import UserError
from components.files import Folder

DONE, FAILED, STOPPED = "done", "failed", "stopped"
EPOCH, WATCHED, OUTCOME = "epoch", "watched", "outcome"
_MEMORY = 1 << 20  # bytes a trial reserves: Tune wants it to reserve something
_RETRIES = 1  # of a trial whose process died
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}

Evaluate = Callable[[Mapping[str, Any], Emit, Callable[[float], None]], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One trial: its number, and JSON for ``evaluate``."""

    number: int
    config: Mapping[str, Any]


class Source(Protocol):
    """Where trials come from and where their ends go; called from the driver's thread only."""

    def next(self) -> Task | None:
        """The next trial, or None: there is none any more."""

    def event(self, number: int, event: Event) -> None:
        """What a trial's steps tell."""

    def done(self, number: int, outcome: Mapping[str, Any]) -> None:
        """A trial ended: ``state`` done, failed (with ``error``) or stopped, and what ``evaluate`` returned."""


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """How trials are run.

    Attributes:
        evaluate: of a module that workers can import.
        concurrent: trials at a time.
        most: trials at most.
        scheduler: ``none``, ``asha`` (asynchronous successive halving, Li et al. 2018) or ``median`` (median stopping).
        mode: whether high or low watched values are good.
        grace: epochs that every trial may have.
    """

    evaluate: Evaluate
    concurrent: int
    most: int
    scheduler: str = "none"
    mode: str = "min"
    grace: int = 3


def fitting(*, asked: int | None, workers: int, cpus_each: float, cpus: float) -> int:
    """Trials at a time.

    Args:
        asked: by the user; None: as many as there is room for.
        workers: CPUs' holders that a trial starts at the same time.
        cpus_each, cpus: CPUs of each of them, and of the cluster.

    Raises:
        UserError: they need more CPUs than there are: with Ray Train inside they would wait for each other.
    """
    each = workers * cpus_each
    if each * (asked or 1) > cpus:
        told = f"{asked or 1} trials at a time with {workers} workers each need {each * (asked or 1):g} CPUs"
        do = "ask for fewer trials at a time (--concurrent) or fewer workers (scaling.workers)"
        raise UserError(f"{told}; the cluster has {cpus:g}", where="scaling", do=do)
    return asked or max(1, int(cpus / each))


def run_on_ray(source: Source, config: TuneConfig, folder: Folder) -> None:
    """Run every trial of ``source`` on the Ray that this process is connected to.

    Args:
        folder: scratch that all nodes see; removed afterwards.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    from ray import tune

    from cluster.tune_hooks import Ends, FromSource, Listener
    from cluster.workflow.mailbox import Inbox

    inbox = Inbox()
    ends = Ends(source, inbox)
    trainable = tune.with_resources(
        tune.with_parameters(_trainable, evaluate=config.evaluate, emit=inbox.emit()),
        tune.PlacementGroupFactory([{"memory": _MEMORY}]),
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=config.most,
            search_alg=FromSource(ends),
            scheduler=make_scheduler(config),
            max_concurrent_trials=config.concurrent,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=folder.path,
            storage_filesystem=None if folder.is_local else folder.fs,
            failure_config=tune.FailureConfig(max_failures=_RETRIES),
            callbacks=[Listener(ends)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
        ends.take()
    finally:
        folder.delete()


def _trainable(config: dict[str, Any], *, evaluate: Evaluate, emit: MailboxEmit) -> None:
    """What the process of a trial runs."""
    from ray import tune

    from cluster.runtime import quiet_environment

    quiet_environment()
    told, last = _TrialEmit(emit, config["number"]), _Last()

    def report(value: float) -> None:
        last.epoch, last.value = last.epoch + 1, float(value)
        tune.report({EPOCH: last.epoch, WATCHED: last.value})

    outcome = evaluate(config["task"], told, report)
    emit.flush()
    tune.report({EPOCH: last.epoch, WATCHED: last.value, OUTCOME: outcome})


@dataclass
class _Last:
    """Told with the outcome too: the median rule fails on an end that has no epoch. None were, if all was there."""

    epoch: int = 0
    value: float = math.nan


@dataclass(frozen=True)
class _TrialEmit:
    """Events with the number of their trial."""

    to: MailboxEmit
    number: int

    def __call__(self, event: Mapping[str, Any]) -> None:
        self.to({"number": self.number, "event": dict(event)})

    def flush(self) -> None:
        """As :func:`cluster.workflow.events.flush`."""
        flush(self.to)


def make_scheduler(config: TuneConfig) -> Any:
    """Tune's scheduler of this name; None: every trial runs to its end."""
    if config.scheduler == "none":
        return None
    watched: dict[str, Any] = {"time_attr": EPOCH, "metric": WATCHED, "mode": config.mode}
    if config.scheduler == "median":
        from ray.tune.schedulers import MedianStoppingRule

        never: Any = math.inf  # else a trial with too few others to compare is paused, and begins again from nothing
        return MedianStoppingRule(**watched, grace_period=config.grace, min_samples_required=2, min_time_slice=never)
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(**watched, grace_period=config.grace, max_t=1_000_000, reduction_factor=3)


def run_here(source: Source, evaluate: Evaluate) -> None:
    """Run every trial of ``source`` in this process, one after the other, without Ray and without a scheduler."""
    while (task := source.next()) is not None:
        source.done(task.number, evaluate(task.config, _Here(source, task.number), lambda value: None))


@dataclass(frozen=True)
class _Here:
    source: Source
    number: int

    def __call__(self, event: Mapping[str, Any]) -> None:
        self.source.event(self.number, dict(event))
