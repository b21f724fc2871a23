"""Conditional GAN on few pictures: hinge loss, projection critic with spectral norm, augmented alike for both sides.

Critic: Miyato & Koyama 2018; real pictures with another row's condition count as made, too (Reed et al. 2016), so that
the condition cannot be ignored. Augmentation that gradients pass through: Zhao et al. 2020 (DiffAugment). The mean
absolute error to the picture anchors the generator (Isola et al. 2017): a few hundred pictures are no distribution.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from components.generation.batches import Batch
from components.generation.config import GeneratorConfig
from components.generation.nets import GenerativeModel, Reader

SHIFT, CUT = 0.125, 0.4  # greatest shift and edge of the part cut out, as shares of the side


class Critic(nn.Module):
    """Score [B] of pictures under conditions: how real, and how well they go together."""

    def __init__(self, config: GeneratorConfig, condition_dim: int) -> None:
        super().__init__()
        self.reader = Reader(config, spectral=True)
        self.real = spectral_norm(nn.Linear(self.reader.dim, 1))
        self.match = spectral_norm(nn.Linear(condition_dim, self.reader.dim))

    def forward(self, pictures: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        features = self.reader(pictures)
        return self.real(features).squeeze(1) + (features * self.match(conditions)).sum(1)


class ConditionalGAN(GenerativeModel):
    """Two players: the ``critic`` moves first."""

    players = ("critic", "generator")

    def __init__(self, config: GeneratorConfig, condition_dim: int) -> None:
        super().__init__(config, condition_dim)
        self.critic = Critic(config, condition_dim)

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        return list((self.critic if player == "critic" else self.decoder).parameters())

    def loss(self, player: str, batch: Batch) -> tuple[torch.Tensor, Mapping[str, float]]:
        return self._critic(batch) if player == "critic" else self._generator(batch)

    def _critic(self, batch: Batch) -> tuple[torch.Tensor, Mapping[str, float]]:
        with torch.no_grad():
            made = self.decoder(batch.conditions, batch.noise)
        real = augment(batch.pictures, batch.chance)
        pictures = torch.cat([real, augment(made, batch.chance), real])
        conditions = torch.cat([batch.conditions, batch.conditions, batch.others])
        right, fake, wrong = self.critic(pictures, conditions).chunk(3)
        loss = F.relu(1 - right).mean() + (F.relu(1 + fake).mean() + F.relu(1 + wrong).mean()) / 2
        return loss, {"critic": float(loss.detach())}

    def _generator(self, batch: Batch) -> tuple[torch.Tensor, Mapping[str, float]]:
        made = self.decoder(batch.conditions, batch.noise)
        score = self.critic(augment(made, batch.chance), batch.conditions).mean()
        pixels = (made - batch.pictures).abs().mean()
        return self.config.pixel_weight * pixels - score, {
            "pixels": float(pixels.detach()),
            "score": float(score.detach()),
        }


def augment(pictures: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """Brightness, saturation, a shift and a part cut out, by ``chance`` [B, 8]; pixels outside are white."""
    bright, colour, down, right, cut_y, cut_x = chance[:, :6, None, None, None].unbind(1)
    moved = pictures + bright - 0.5
    grey = moved.mean(dim=1, keepdim=True)
    moved = (moved - grey) * (2 * colour) + grey
    side = pictures.shape[-1]
    theta = torch.eye(2, 3, device=pictures.device).repeat(len(pictures), 1, 1)
    # whole pixels, in units of half the side
    shift = (torch.cat([right, down], dim=1).flatten(1) * 2 - 1) * SHIFT * side
    theta[:, :, 2] = shift.round() * 2 / side
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(moved - 1, grid, align_corners=False) + 1
    place = (torch.arange(side, device=pictures.device) + 0.5) / side
    in_rows = (place[None, None, :, None] - cut_y).abs() < CUT / 2
    in_columns = (place[None, None, None, :] - cut_x).abs() < CUT / 2
    return torch.where(in_rows & in_columns, torch.zeros_like(moved), moved)
