"""The feature filter of SimLAP: which columns of the embedding are open for a pair of labels.

g(c₁, c₂) = σ(f((E[c₁] + E[c₂])/2)): symmetric by construction, trained with the encoder, left behind after training.
"""

from __future__ import annotations

import torch
from torch import nn


class LabelGate(nn.Module):
    """Gates in (0, 1) from two class numbers.

    Args:
        num_classes: rows of the label embedding E.
        dim: columns D that are gated.
        width: of E; the hidden layer is twice as wide.
    """

    def __init__(self, num_classes: int, dim: int, width: int = 128) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.labels = nn.Embedding(num_classes, width)
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.BatchNorm1d(width),
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.BatchNorm1d(2 * width),
            nn.Linear(2 * width, dim),
        )

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Class numbers [B] and [B] to gates [B, D]."""
        return self.layers((self.labels(first) + self.labels(second)) / 2).sigmoid()

    @torch.no_grad()
    def similarity(self) -> torch.Tensor:
        """Cosines of the classes' own gates, g(c, c). [C, C]"""
        own = torch.arange(self.num_classes, device=self.labels.weight.device)
        gates = nn.functional.normalize(self(own, own), dim=1)
        return gates @ gates.T


def gate_entropy(gates: torch.Tensor) -> torch.Tensor:
    """Mean entropy of the gates as coins, in nats: small if all are open or closed."""
    inside = gates.clamp(1e-6, 1 - 1e-6)  # at 0 and 1 the slope is infinite, and a gate may round to them
    return -(inside * inside.log() + (1 - inside) * (1 - inside).log()).mean()
