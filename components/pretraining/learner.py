"""Everything that learns in one training: the network, the objective and, if it wants one, its target network."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import numpy as np
import torch

from components.devices import autocast, to_device
from components.objectives.protocol import Criterion, GlobalBatch, Scored
from components.pretraining.labels import Classes
from components.pretraining.network import Network
from components.training import arrays_of


class Learner:
    """On one worker.

    Args:
        network, criterion: trained in place.
        classes: of the rows.
        device: where it runs.
        precision: as of :class:`components.pretraining.config.TrainingConfig`.
    """

    def __init__(
        self, network: Network, criterion: Criterion, classes: Classes, device: torch.device, precision: str
    ) -> None:
        self.network, self.criterion, self.classes = network.to(device), criterion.to(device), classes
        self.device, self.precision = device, precision
        self.target = copy.deepcopy(self.network) if criterion.target_network else None
        self.both = torch.nn.ModuleDict({"network": self.network, "criterion": self.criterion})

    @property
    def views(self) -> int:
        return self.criterion.views

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the objective compares, of inputs on the device. [B, K]"""
        with self.autocast():
            return self.network(x)

    @torch.no_grad()
    def forward_target(self, x: torch.Tensor) -> torch.Tensor:
        """The target network's projections, without the predictor that is behind the trained one's. [B, K]"""
        assert self.target is not None
        head: Any = self.target.head
        with self.autocast():
            return head[0](self.target.features(x)).float()

    @torch.no_grad()
    def move_target(self, momentum: float) -> None:
        """The target network a step towards the trained one."""
        if self.target is None:
            return
        for slow, fast in zip(self.target.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - momentum)
        for kept, now in zip(self.target.buffers(), self.network.buffers(), strict=True):
            kept.copy_(now)

    def score(self, z: torch.Tensor, target: torch.Tensor | None, rows: np.ndarray, seed: list[int]) -> Scored:
        """The objective on outputs [V, B, K] of these rows."""
        drawn = int(np.random.default_rng(seed).integers(2**31))
        return self.criterion(GlobalBatch(z=z, target=target, classes=self.classes_of(rows), seed=drawn))

    def classes_of(self, rows: np.ndarray) -> torch.Tensor | None:
        """Classes of these rows [B], if the objective learns from labels."""
        return to_device(torch.from_numpy(self.classes.of_row[rows]), self.device) if self.criterion.labelled else None

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """As :func:`components.devices.autocast`."""
        return autocast(self.device, self.precision)

    def state(self) -> dict[str, np.ndarray]:
        """All weights."""
        return arrays_of(self.both)

    def target_state(self) -> dict[str, np.ndarray]:
        """Weights of the target network; empty without one."""
        return {} if self.target is None else arrays_of(self.target)
