"""Batches by seed, epoch and step alone: any number of workers sees the same rows, noise and augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from components.generation.conditioning import Conditioner
from components.generation.config import GeneratorConfig
from components.training import Session, share


@dataclass(frozen=True)
class Batch:
    """A worker's rows of a global batch.

    Attributes:
        pictures: [B, 3, S, S] in -1..1.
        conditions: [B, d]; ``others``: those of other rows of the global batch.
        noise: [B, z] standard normal.
        chance: [B, 8] uniform in 0..1, for augmentation.
        weight: the rows' share of the batch times the number of workers; means over workers of weighted means are
            means over the batch.
    """

    pictures: torch.Tensor
    conditions: torch.Tensor
    others: torch.Tensor
    noise: torch.Tensor
    chance: torch.Tensor
    weight: float


class Batches:
    """Pictures [M, S, S, 3] uint8 and the conditioner that was fitted on their coordinates, in the same order."""

    def __init__(self, pictures: np.ndarray, conditioner: Conditioner, config: GeneratorConfig, seed: int) -> None:
        self.pictures, self.config, self.seed = pictures, config, seed
        self.own, self.blend = conditioner.of(conditioner.bank), conditioner.neighbours()

    def __len__(self) -> int:
        """Batches of an epoch; what is left over is in another epoch's."""
        return max(1, len(self.pictures) // self.config.batch)

    def epoch(self, number: int, session: Session) -> Iterator[Batch]:
        order = np.random.default_rng([self.seed, 0, number]).permutation(len(self.pictures))
        for step in range(len(self)):
            rows = order[step * self.config.batch : (step + 1) * self.config.batch]
            yield self._batch(rows, np.random.default_rng([self.seed, 1, number, step]), session)

    def _batch(self, rows: np.ndarray, rng: np.random.Generator, session: Session) -> Batch:
        config, size = self.config, len(rows)
        blended = rng.random((size, 1)) < config.blended
        conditions = np.where(blended, self.blend[rows], self.own[rows])
        conditions = conditions + config.jitter * rng.standard_normal(conditions.shape)
        noise, chance = rng.standard_normal((size, config.noise_dim)), rng.random((size, 8))
        mine = share(np.arange(size), session)
        device = session.device

        def tensor(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)

        return Batch(
            pictures=tensor(self.pictures[rows[mine]].transpose(0, 3, 1, 2) / np.float32(127.5) - 1),
            conditions=tensor(conditions[mine]),
            others=tensor(np.roll(conditions, 1, axis=0)[mine]),
            noise=tensor(noise[mine]),
            chance=tensor(chance[mine]),
            weight=len(mine) * session.world / size,
        )
