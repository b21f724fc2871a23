"""Conditional variational autoencoder (Sohn, Lee & Yan 2015): the noise carries what the condition does not say."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from components.generation.batches import Batch
from components.generation.config import GeneratorConfig
from components.generation.nets import GenerativeModel, Reader

ERROR = 100.0  # nats per unit of the mean absolute error (half the range of a pixel): pixels are far from independent


class ConditionalVAE(GenerativeModel):
    """Loss per picture: ``ERROR`` · mean |x − x̂| + kl_weight · KL(q(z | x, c) ‖ N(0, 1))."""

    players = ("model",)

    def __init__(self, config: GeneratorConfig, condition_dim: int) -> None:
        super().__init__(config, condition_dim)
        self.reader = Reader(config, spectral=False)
        self.posterior = nn.Linear(self.reader.dim + condition_dim, 2 * config.noise_dim)

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        return list(self.parameters())

    def loss(self, player: str, batch: Batch) -> tuple[torch.Tensor, Mapping[str, float]]:
        read = torch.cat([self.reader(batch.pictures), batch.conditions], dim=1)
        mean, log_variance = self.posterior(read).chunk(2, dim=1)
        log_variance = log_variance.clamp(-8, 4)
        made = self.decoder(batch.conditions, mean + batch.noise * (log_variance / 2).exp())
        pixels = (made - batch.pictures).abs().mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        total = ERROR * pixels + self.config.kl_weight * divergence
        return total, {"pixels": float(pixels.detach()), "divergence": float(divergence.detach())}
