"""Batches for the tests of objectives."""

from typing import Any

import torch

from components.objectives.comparison import Comparison
from components.objectives.protocol import Criterion, GlobalBatch
from components.objectives.registry import OBJECTIVES, make_objective

ROWS, DIM, CLASSES = 16, 8, 4


def batch(seed: int = 0, rows: int = ROWS, **more: Any) -> GlobalBatch:
    """Two views of random rows with structure, float64, with gradient; classes 0, 1, 2, 3, 0, …"""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(rows, DIM, generator=generator, dtype=torch.float64)
    z = base + 0.7 * torch.randn(2, rows, DIM, generator=generator, dtype=torch.float64)
    target = base + torch.randn(2, rows, DIM, generator=generator, dtype=torch.float64)
    given = {"target": target, "classes": torch.arange(rows) % CLASSES, "seed": 3} | more
    return GlobalBatch(z=z.requires_grad_(), **given)


def criterion(name: str, **settings: Any) -> Criterion:
    """Built with the same weights every time."""
    torch.manual_seed(0)
    dim = CLASSES if OBJECTIVES[name].classifies else DIM
    return make_objective(name, settings).build(dim=dim, num_classes=CLASSES).double()


def fitting(name: str, given: GlobalBatch) -> GlobalBatch:
    """With one output a class for objectives that classify."""
    if not OBJECTIVES[name].classifies:
        return given
    return GlobalBatch(z=given.z[..., :CLASSES], classes=given.classes, seed=given.seed)


def loss_and_gradient(name: str, given: GlobalBatch, **settings: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and its gradient in the outputs."""
    loss = criterion(name, **settings)(fitting(name, given)).loss
    (gradient,) = torch.autograd.grad(loss, given.z)
    return loss.detach(), gradient


def target_of(comparison: Comparison) -> torch.Tensor:
    """The plan [N, N] of mass 1 that gives everything to the positives."""
    n = len(comparison.positives)
    target = comparison.scores.new_zeros(n, n)
    return target.scatter_(1, comparison.positives[:, None], 1 / n)
