"""The networks: one decoder for both generators, and one convolutional reader for the VAE's encoder and the critic.

Three grids (side/8, side/4, side/2); the finest pixels come by a pixel shuffle, which costs a quarter of a fourth grid.
Nothing in them mixes the rows of a batch, so any share of a batch gives the same rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from components.generation.batches import Batch
from components.generation.config import GeneratorConfig

SLOPE = 0.2
SHUFFLED = 12  # channels at full size


class Decoder(nn.Module):
    """Condition [B, d] and noise [B, z] to pictures [B, 3, S, S] in -1..1."""

    def __init__(self, config: GeneratorConfig, condition_dim: int) -> None:
        super().__init__()
        widths = [config.width, config.width // 2, config.width // 4]
        self.grid = config.side // 8
        self.start = nn.Linear(condition_dim + config.noise_dim, widths[0] * self.grid**2)
        self.finer = nn.ModuleList([_conv(a, b) for a, b in pairwise(widths)])
        self.shuffle, self.last = _conv(widths[-1], 4 * SHUFFLED), _conv(SHUFFLED, 3)

    def forward(self, condition: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        hidden = self.start(torch.cat([condition, noise], dim=1)).unflatten(1, (-1, self.grid, self.grid))
        hidden = F.leaky_relu(hidden, SLOPE).contiguous(memory_format=torch.channels_last)
        for layer in self.finer:
            hidden = F.leaky_relu(layer(F.interpolate(hidden, scale_factor=2.0)), SLOPE)
        hidden = F.leaky_relu(F.pixel_shuffle(self.shuffle(hidden), 2), SLOPE)
        return torch.tanh(self.last(hidden))


class Reader(nn.Module):
    """Pictures [B, 3, S, S] to features [B, F]. ``spectral``: every layer has spectral norm 1 (Miyato et al. 2018)."""

    def __init__(self, config: GeneratorConfig, *, spectral: bool) -> None:
        super().__init__()
        widths = [3, config.width // 4, config.width // 2, config.width]
        layers = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)]
        self.layers = nn.ModuleList([spectral_norm(layer) if spectral else layer for layer in layers])
        self.dim = config.width * (config.side // 8) ** 2

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        hidden = pictures.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        return hidden.flatten(1)


class GenerativeModel(nn.Module):
    """A decoder and what trains it. ``players`` take turns; each has parameters and a loss of its own."""

    players: ClassVar[tuple[str, ...]]

    def __init__(self, config: GeneratorConfig, condition_dim: int) -> None:
        super().__init__()
        self.config = config
        self.decoder = Decoder(config, condition_dim)

    @abstractmethod
    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """What this player's loss moves."""

    @abstractmethod
    def loss(self, player: str, batch: Batch) -> tuple[torch.Tensor, Mapping[str, float]]:
        """Mean over the batch's rows, and its parts."""


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
