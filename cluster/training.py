"""Ray Train: runs a training loop of components on N workers, with a checkpoint after every epoch.

A loop is a function ``loop(session, work, config)`` named as ``"module:function"``. It reads its data from ``work`` and
leaves its result there (rank 0), so that nothing large travels through Ray. Checkpoints lie in ``work``, too: a killed
worker is replaced and goes on from the last epoch, and so does the next run after a killed driver.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from cluster.places import here
from cluster.workflow.events import flush
from cluster.workflow.failures import causes, sentence
from cluster.workflow.step import Emit, StepContext
from components.errors import UserError
from components.files import Folder

CHECKPOINTS = "checkpoints"
REFUSALS, REFUSED = "refusals", "refused.json"
_PATIENCE = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"  # of workers that wait for their CPUs; default 60 s
_FIXED_S, _ELASTIC_S = 600, 10  # others may hold them for a while; elastic training asks again, for fewer workers
_ENVIRONMENT = {
    # Train's controller looks after its workers this often, and every epoch's report waits for it; default 2 s.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.05",
    "RAY_TRAIN_METRICS_ENABLED": "0",
}


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Workers of one training.

    Attributes:
        engine: ``ray``, or ``local`` for this process (one worker).
        workers: data-parallel processes; the global batch stays the same.
        min_workers: fewer than ``workers`` are enough to go on; None: all of them are needed. Train looks once a
            minute whether there is room for more again.
        cpus_per_worker, gpus_per_worker: reserved by each.
        max_failures: how often lost workers are replaced.
        max_preemptions: how often workers are replaced whose node was announced to go away; None: without limit.
    """

    engine: str = "ray"
    workers: int = 1
    min_workers: int | None = None
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    max_failures: int = 3
    max_preemptions: int | None = None

    @property
    def fewest(self) -> int:
        """Workers without which there is no training."""
        return self.workers if self.min_workers is None else self.min_workers

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Scaling:
        """From a step's options, which may hold further keys."""
        return cls(**{k: v for k, v in options.items() if k in cls.__dataclass_fields__})


def train(loop: str, ctx: StepContext, config: Mapping[str, Any]) -> None:
    """Run a loop to its end. ``config`` must be JSON; metrics of every epoch go to ``ctx.metric``.

    Raises:
        UserError: the cluster is too small for the workers, or they failed more often than allowed.
    """
    scaling = Scaling.of(ctx.options)
    if scaling.engine == "local":
        from components.training import LocalSession

        _function(loop)(LocalSession(ctx.work.sub(CHECKPOINTS), Reporter(ctx.name, ctx.emit)), ctx.work, config)
        return
    _train_on_ray(loop, ctx, config, scaling)


@dataclass(frozen=True)
class Reporter:
    """Sends an epoch's metrics to the driver. Picklable."""

    step: str
    emit: Emit

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            event = {"kind": "metric", "step": self.step, "name": name, "value": float(value), "index": epoch}
            self.emit(event)
        self.emit({"kind": "progress", "step": self.step, "done": epoch, "total": None, "unit": "epochs"})

    def placed(self) -> None:
        """A worker of the training has begun on this node. Comes back when that is known: the way is open then."""
        self.emit({"kind": "placed", "step": self.step, "nodes": {here(): 1}})
        flush(self.emit)


def _train_on_ray(loop: str, ctx: StepContext, config: Mapping[str, Any], scaling: Scaling) -> None:
    _quiet_environment(elastic=scaling.min_workers is not None)
    refusals = ctx.work.sub(REFUSALS)
    refusals.delete()
    from ray.train import RunConfig
    from ray.train.torch import TorchTrainer

    from cluster.torch_backend import ByDevice

    _must_fit(scaling)
    trainer = TorchTrainer(
        _worker,
        train_loop_config={
            "loop": loop,
            "work": ctx.work,
            "config": dict(config),
            "report": Reporter(ctx.name, ctx.emit),
        },
        torch_config=ByDevice(),
        scaling_config=scaling_config(scaling),
        run_config=RunConfig(
            name=f"{ctx.name}-{ctx.key[:16]}",
            storage_path=f"{ctx.work.path}/train",
            storage_filesystem=None if ctx.work.is_local else ctx.work.fs,
            failure_config=failure_config(scaling),
        ),
    )
    try:
        trainer.fit()
    except Exception as error:
        raise _readable(error) from error
    if refusals.exists(REFUSED):
        raise UserError(**refusals.read_json(REFUSED))


def scaling_config(scaling: Scaling) -> Any:
    """As Ray Train takes it."""
    import ray.train

    workers = scaling.workers if scaling.min_workers is None else (scaling.min_workers, scaling.workers)
    resources = {"CPU": scaling.cpus_per_worker} | ({"GPU": scaling.gpus_per_worker} if scaling.gpus_per_worker else {})
    config: Any = ray.train.ScalingConfig  # Ray's stubs describe the older one
    return config(num_workers=workers, use_gpu=scaling.gpus_per_worker > 0, resources_per_worker=resources)


def failure_config(scaling: Scaling) -> Any:
    """As Ray Train takes it."""
    import ray.train

    preemptions = -1 if scaling.max_preemptions is None else scaling.max_preemptions
    config: Any = ray.train.FailureConfig
    return config(max_failures=scaling.max_failures, max_preemption_failures=preemptions)


def _worker(arguments: dict[str, Any]) -> None:
    """What each worker runs."""
    work: Folder = arguments["work"]
    session = DistributedSession(work, arguments["report"])
    arguments["report"].placed()
    try:
        _function(arguments["loop"])(session, work, arguments["config"])
    except UserError as error:  # raised, it would count as a failure, and the workers would be started again
        said = {"what": error.what, "where": error.where, "do": error.do}
        work.sub(REFUSALS).make().write_json(REFUSED, said)
    finally:
        flush(arguments["report"].emit)  # Train ends the process: what has not left it by then is lost


class DistributedSession:
    """A :class:`components.training.Session` inside a Ray Train worker."""

    def __init__(self, work: Folder, report: Reporter) -> None:
        import ray.train
        import ray.train.torch

        from components.training import CheckpointStore

        context = ray.train.get_context()
        self.rank, self.world = context.get_world_rank(), context.get_world_size()
        self.device = worker_device(ray.train.torch.get_device())
        self._store = CheckpointStore(work.sub(CHECKPOINTS))
        self._report = report

    def mean(self, tensor: Any) -> Any:
        """Average over the workers (all-reduce)."""
        if self.world == 1:
            return tensor
        import torch.distributed as dist

        total = tensor.clone()
        dist.all_reduce(total)
        return total / self.world

    def resume(self) -> Any:
        return self._store.newest()

    def save(self, checkpoint: Any, metrics: Mapping[str, float]) -> None:
        """Rank 0 keeps the checkpoint; the report to Train is a barrier, so all workers are in the same epoch."""
        import ray.train

        if self.rank == 0:
            self._store.write(checkpoint)
            self._report(checkpoint.epoch, metrics)
        ray.train.report({"epoch": checkpoint.epoch, **metrics})


def worker_device(given: Any) -> Any:
    """The device that Ray reserved, or the CPU if this node's torch does not see it."""
    import torch

    seen = torch.accelerator.current_accelerator(check_available=True)
    return given if seen is not None and seen.type == given.type else torch.device("cpu")


def _quiet_environment(*, elastic: bool) -> None:
    os.environ[_PATIENCE] = str(_ELASTIC_S if elastic else _FIXED_S)  # the process may have run another step before
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.train").setLevel(logging.ERROR)


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _must_fit(scaling: Scaling) -> None:
    """Refuse what would wait for ever."""
    import ray

    have = ray.cluster_resources()  # type: ignore[no-untyped-call]
    for kind, each in (("CPU", scaling.cpus_per_worker), ("GPU", scaling.gpus_per_worker)):
        need = scaling.fewest * each
        if need > have.get(kind, 0.0):
            raise UserError(
                f"{scaling.fewest} workers need {need:g} {kind}s, the cluster has {have.get(kind, 0.0):g}",
                where="scaling",
                do="ask for fewer workers, or for less per worker",
            )


def _readable(error: Exception) -> Exception:
    """The root cause of a failed training, without Ray's wrapping."""
    refused = next((e for e in causes(error) if isinstance(e, UserError)), None)
    return refused or UserError(f"training failed: {sentence(error)}", do="see the step's log")
