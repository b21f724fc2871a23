"""Training of an encoder: epochs of steps on global batches, a look at it after each, checkpoints, early stop.

Batches, views and whatever an objective draws depend on seed, epoch and step alone: one worker with 2B rows and two
with B make the same step, and a training that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch

from components.devices import to_device
from components.errors import UserError
from components.objectives.protocol import Criterion
from components.pretraining.batches import Batches, ByClass, Shuffled, require_rows
from components.pretraining.config import TrainingConfig
from components.pretraining.gradients import share_out, step_gradients
from components.pretraining.inputs import Inputs, Key, load_views
from components.pretraining.labels import NONE, Classes
from components.pretraining.learner import Learner
from components.pretraining.looking import Look
from components.pretraining.network import Network
from components.pretraining.rows import TRAIN
from components.training import Checkpoint, Session, gather, load_arrays, own_columns, pack, run_to_end, unpack
from components.transforms import below


@dataclass(frozen=True)
class Task:
    """What is trained on what.

    Attributes:
        inputs: the corpus as inputs of the network.
        network: trained in place.
        criterion: the objective; trained in place if it has parameters.
        classes: of the rows; empty if there are no labels.
    """

    inputs: Inputs
    network: Network
    criterion: Criterion
    classes: Classes


@dataclass(frozen=True)
class EncoderFit:
    """A trained encoder.

    Attributes:
        network, criterion: as they were after the best epoch.
        best_epoch: counted from 1.
        history: metrics of every epoch, in order.
        diagnosis: arrays for figures, from the validation rows.
    """

    network: Network
    criterion: Criterion
    best_epoch: int
    history: Sequence[Mapping[str, float]]
    diagnosis: Mapping[str, Any] = field(default_factory=dict)


def train_encoder(
    task: Task, config: TrainingConfig, session: Session, *, seed: int = 0, processes: int = 0
) -> EncoderFit:
    """Train; resumes from the session's newest checkpoint.

    Args:
        processes: that draw views ahead, for each worker; 0 draws them in the worker. Does not change the result.

    Raises:
        UserError: too few rows for the workers, a batch of one row, or a loss that is not finite.
    """
    training = EncoderTraining(task, config, session, seed=seed, processes=processes)
    run_to_end(training, session)
    return training.result()


class EncoderTraining:
    """The state of one training on one worker; :func:`train_encoder` drives it."""

    def __init__(self, task: Task, config: TrainingConfig, session: Session, *, seed: int, processes: int = 0) -> None:
        self.inputs, self.config, self.session, self.seed = task.inputs, config, session, seed
        self.processes = processes
        self.learner = Learner(task.network, task.criterion, task.classes, session.device, config.precision)
        self.parameters = [p for p in self.learner.both.parameters() if p.requires_grad]
        self.optimizer = _optimizer(self.parameters, config)
        self.batches = self._batches(task.classes)
        self.look = Look(self.learner, task.inputs, session, batch=config.batch, seed=seed)
        self.epoch, self.history, self.best, self.best_epoch = 0, list[dict[str, float]](), math.inf, 0
        self.best_state = self.learner.state()

    def _batches(self, classes: Classes) -> Batches:
        rows, criterion, config = self.inputs.rows.of(TRAIN), self.learner.criterion, self.config
        rows = rows[classes.of_row[rows] != NONE] if criterion.labelled else rows
        require_rows(len(rows), self.session.world, batch=config.batch)
        if criterion.labelled and not criterion.classifies:
            return ByClass(rows, classes.of_row[rows], config.batch, config.each, self.seed)
        return Shuffled(rows, config.batch, self.seed)

    @property
    def finished(self) -> bool:
        tired = self.config.stop != "never" and self.epoch - self.best_epoch >= self.config.patience
        return self.epoch >= self.config.epochs or tired

    def run_epoch(self) -> None:
        """All steps, a look, a checkpoint."""
        began = time.monotonic()
        scored = list(self.steps())
        seconds = max(time.monotonic() - began, 1e-9)
        self.epoch += 1
        metrics = {name: float(np.mean([s[name] for s in scored])) for name in scored[0]}
        self._require_finite("loss", metrics["loss"])
        metrics |= self.look.metrics()
        metrics["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        metrics["rows_per_s"] = sum(map(len, self.batches.epoch(self.epoch - 1))) / seconds
        self._judge(metrics)
        self.history.append(metrics)
        self.session.save(self._checkpoint(), metrics)

    def steps(self) -> Iterator[Mapping[str, float]]:
        """The steps of the current epoch, one at a time; yields the numbers of each."""
        batches = self.batches.epoch(self.epoch)
        plans = [self._keys(rows, step) for step, rows in enumerate(batches)]
        loaded = iter(load_views(self.inputs, [part for parts in plans for part in parts], self.processes))
        for step, (rows, parts) in enumerate(zip(batches, plans, strict=True)):
            self._set_rate(self.config.rate_at(self.epoch + (step + 0.5) / len(batches)))
            yield self._step(rows, list(islice(loaded, len(parts))), step)
            self.learner.move_target(self.config.ema_at(self.epoch + step / len(batches)))

    def _keys(self, rows: np.ndarray, step: int) -> list[list[Key]]:
        """Row and seed of this worker's views in a step, cut into the parts that are accumulated."""
        draw = np.random.default_rng([self.seed, 2, self.epoch, step])
        seeds = draw.integers(2**62, size=(self.learner.views, len(rows)))
        mine = np.array(own_columns(len(rows), self.session))
        parts = [p for p in np.array_split(mine, self.config.accumulate) if len(p)]
        return [[(int(rows[c]), int(view[c])) for view in seeds for c in part] for part in parts]

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _step(self, rows: np.ndarray, parts: list[torch.Tensor], step: int) -> Mapping[str, float]:
        """One step of the optimizer on the global batch, of which ``parts`` are this worker's views."""
        self.learner.both.train()
        self.optimizer.zero_grad()
        parts = [to_device(part, self.session.device) for part in parts]
        columns = own_columns(len(rows), self.session)
        target = self._targets(parts, columns, len(rows))
        scored = step_gradients(
            self.learner.forward,
            parts,
            lambda z: self.learner.score(z, target, rows, [self.seed, 4, self.epoch, step]),
            views=self.learner.views,
            columns=columns,
            total=len(rows),
            session=self.session,
        )
        share_out(self.parameters, self.session)
        self.optimizer.step()
        return {"loss": float(scored.loss.detach()), **{k: float(v) for k, v in scored.metrics.items()}}

    def _targets(self, parts: Sequence[torch.Tensor], columns: range, total: int) -> torch.Tensor | None:
        """The target network's projections of all workers' views. [V, B, K]"""
        if self.learner.target is None:
            return None
        outputs = [self.learner.forward_target(part) for part in parts]
        own = torch.cat([o.view(self.learner.views, -1, o.shape[1]) for o in outputs], dim=1)
        return gather(own, columns, total, self.session)

    def _judge(self, metrics: Mapping[str, float]) -> None:
        """Keep this epoch if it is the best so far; always, if nothing chooses."""
        loss = metrics.get("validation_loss", metrics["loss"])
        self._require_finite("validation loss", loss)
        choices = {"loss": loss, "probe": -metrics.get("probe_accuracy", -loss), "never": -float(self.epoch)}
        if choices[self.config.stop] < self.best:
            self.best, self.best_epoch, self.best_state = choices[self.config.stop], self.epoch, self.learner.state()

    def _require_finite(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            told = f"the {name} is {value} in epoch {self.epoch}"
            raise UserError(told, do="lower the learning rate, or raise the objective's epsilon")

    def _checkpoint(self) -> Checkpoint:
        arrays = pack(self.learner.both, self.optimizer)
        arrays |= {f"best.{name}": value for name, value in self.best_state.items()}
        arrays |= {f"target.{name}": value for name, value in self.learner.target_state().items()}
        return Checkpoint(
            self.epoch, arrays, {"best": self.best, "best_epoch": self.best_epoch, "history": self.history}
        )

    def restore(self, found: Checkpoint) -> None:
        unpack(found.arrays, self.learner.both, self.optimizer)
        self.best_state = below(found.arrays, "best.")
        if self.learner.target is not None:
            load_arrays(self.learner.target, found.arrays, "target.")
        self.epoch, self.best, self.best_epoch = found.epoch, found.facts["best"], found.facts["best_epoch"]
        self.history = list(found.facts["history"])

    def result(self) -> EncoderFit:
        """The best epoch's network."""
        load_arrays(self.learner.both, self.best_state)
        diagnosis = self.look.diagnosis()
        learner = self.learner
        return EncoderFit(learner.network.eval(), learner.criterion.eval(), self.best_epoch, self.history, diagnosis)


def _optimizer(parameters: Sequence[torch.Tensor], config: TrainingConfig) -> torch.optim.Optimizer:
    """Weight decay on matrices and kernels alone."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=config.learning_rate)
