"""A small encoder trained with any objective: the same network, batches, views and steps for all of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from components.evaluation.representation import effective_rank, knn_hits, linear_hits
from components.objectives.protocol import Criterion, GlobalBatch
from components.objectives.registry import OBJECTIVES, make_objective
from pipelines.bench.objectives.worlds import VIEWS, World, draw

FEATURES, HIDDEN, OUTPUTS = 32, 256, 64
BATCHES, RATE, MOMENTUM = {"digits": 256, "pictures": 128}, 1e-3, 0.99


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is trained: objective by name with its settings, strength of the views, steps, seed."""

    objective: str
    settings: Mapping[str, Any]
    steps: int
    views: str = "clean"
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """Encoder, head and criterion after the last step, and the loss of that step."""

    encoder: nn.Module
    head: nn.Module
    criterion: Criterion
    loss: float

    @torch.no_grad()
    def features(self, pictures: torch.Tensor) -> Any:
        """[N, 32]"""
        return self.encoder.eval()(pictures)

    @torch.no_grad()
    def outputs(self, pictures: torch.Tensor) -> Any:
        """Of the head: what the objective compared. [N, K]"""
        return self.head.eval()(self.features(pictures))


def train(world: World, trial: Trial, rows: torch.Tensor | None = None) -> Trained:
    """Train on ``rows`` of the world (its training rows by default); their classes are counted from 0."""
    torch.manual_seed(trial.seed)
    rows = world.train if rows is None else rows
    classes = counted(world.classes[rows])
    parts = _parts(world, trial, int(classes.max()) + 1)
    slow = copy.deepcopy(nn.ModuleDict({"encoder": parts["encoder"], "projector": parts["projector"]}))
    optimizer = torch.optim.Adam(parts.parameters(), RATE)
    generator = torch.Generator().manual_seed(trial.seed)
    loss = torch.zeros(())
    for step in range(trial.steps):
        chosen = torch.randperm(len(rows), generator=generator)[: BATCHES[world.name]]
        seen = [draw(world.pictures[rows[chosen]], VIEWS[trial.views], generator) for _ in range(2)]
        loss = _loss(parts, slow, torch.cat(seen), classes[chosen], trial.seed * trial.steps + step)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if parts["criterion"].target_network:
            _follow(slow, parts)
    head = parts["projector"]
    criterion: Any = parts["criterion"].eval()
    return Trained(encoder=parts["encoder"], head=head, criterion=criterion, loss=float(loss.detach()))


def counted(classes: torch.Tensor) -> torch.Tensor:
    """The same classes as numbers from 0, in their order."""
    return torch.from_numpy(np.unique(classes.numpy(), return_inverse=True)[1])


def _parts(world: World, trial: Trial, num_classes: int) -> Any:
    entry = OBJECTIVES[trial.objective]
    outputs = num_classes if entry.classifies else OUTPUTS
    projector: nn.Module = nn.Linear(FEATURES, outputs) if entry.classifies else _mlp(FEATURES, outputs)
    criterion = make_objective(trial.objective, trial.settings).build(dim=outputs, num_classes=num_classes)
    predictor = _mlp(outputs, outputs) if entry.target_network else nn.Identity()
    named = {"encoder": _encoder(world), "projector": projector, "predictor": predictor, "criterion": criterion}
    return nn.ModuleDict(named)


def _loss(parts: Any, slow: Any, seen: torch.Tensor, classes: torch.Tensor, seed: int) -> torch.Tensor:
    z = parts["predictor"](parts["projector"](parts["encoder"](seen)))
    target = None
    if parts["criterion"].target_network:
        with torch.no_grad():
            target = slow["projector"](slow["encoder"](seen)).view(2, len(classes), -1)
    batch = GlobalBatch(z=z.view(2, len(classes), -1), target=target, classes=classes, seed=seed)
    loss: torch.Tensor = parts["criterion"](batch).loss
    return loss


@torch.no_grad()
def _follow(slow: Any, parts: Any) -> None:
    for name in slow:
        for old, new in zip(slow[name].parameters(), parts[name].parameters(), strict=True):
            old.lerp_(new, 1 - MOMENTUM)


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


def _encoder(world: World) -> nn.Module:
    """A perceptron for digits, three strided convolutions for pictures."""
    channels, side = world.pictures.shape[1:3]
    if side < 16:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 32))
    layers: list[nn.Module] = []
    for before, after in ((channels, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (side // 8) ** 2, FEATURES))


def probes(trained: Trained, world: World) -> dict[str, float]:
    """Of the frozen features of held-out rows: nearest neighbours, linear probe, effective ranks."""
    train, test = (trained.features(world.pictures[rows]).numpy() for rows in (world.train, world.test))
    wanted = [world.classes[rows].numpy() for rows in (world.train, world.test)]
    return {
        "knn": float(np.mean(knn_hits(train, wanted[0], test, wanted[1]))),
        "linear": float(np.mean(linear_hits(train, wanted[0], test, wanted[1]))),
        "effective_rank": effective_rank(test),
        "effective_rank_head": effective_rank(trained.outputs(world.pictures[world.test]).numpy()),
    }
