"""What an objective is given and what it gives back.

Letters: ``V`` views, ``B`` rows of the global batch, ``K`` columns of the head's output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from components.errors import UserError


@dataclass(frozen=True, kw_only=True)
class GlobalBatch:
    """The batch of all workers, as the objective sees it; the same on every worker.

    Attributes:
        z: outputs of the head for each view, not normalised. [V, B, K]
        target: outputs of the target network for the same views, constant; None without one. [V, B, K]
        classes: class (or domain) of every row, -1 for a row without one; None if the objective needs none. [B]
        plan: how much each row of the first view should match each of the second, for objectives that take such a
            plan; rows and columns of zeros are unpaired. [B, B]
        seed: for whatever the objective draws.
    """

    z: torch.Tensor
    target: torch.Tensor | None = None
    classes: torch.Tensor | None = None
    plan: torch.Tensor | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Scored:
    """``loss`` (a scalar with gradient) and numbers worth a curve, without gradient."""

    loss: torch.Tensor
    metrics: Mapping[str, float | torch.Tensor] = field(default_factory=dict)


class Criterion(torch.nn.Module):
    """An objective with its own parameters, if it has any.

    Attributes:
        config: that it was built from.
        views: how many views of a row it compares.
        labelled: whether it learns from labels.
        target_network: whether it wants outputs of an averaged network, and a predictor on the trained one.
        classifies: whether it wants one output a class instead of a projection.
    """

    views: int = 2
    labelled: bool = False
    target_network: bool = False
    classifies: bool = False

    def __init__(self, config: Any = None) -> None:
        super().__init__()
        self.config = config

    def forward(self, batch: GlobalBatch) -> Scored:
        """The loss of the global batch."""
        raise NotImplementedError

    def diagnose(self, batch: GlobalBatch) -> dict[str, Any]:
        """Arrays worth a figure, by name: ``plan`` [B, B], ``gates`` [classes, classes]."""
        return {}


class ObjectiveConfig(Protocol):
    """Settings of an objective; a frozen dataclass that refuses impossible ones."""

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        """The criterion for heads of ``dim`` outputs and, if it is labelled, so many classes.

        Raises:
            UserError: fewer than two classes for an objective that learns from labels.
        """
        ...


def check_batch(batch: GlobalBatch) -> torch.Tensor:
    """The outputs [2, B, K] of two views, in float32 at least.

    Raises:
        UserError: another number of views, fewer than two rows (nothing to tell a row from), NaN or infinite values.
    """
    if batch.z.ndim != 3 or batch.z.shape[0] != 2:
        raise UserError(f"outputs of the shape {list(batch.z.shape)}", do="give [2 views, rows, columns]")
    if batch.z.shape[1] < 2:
        raise UserError(
            f"a batch of {batch.z.shape[1]} row has nothing to compare it with", do="raise the batch size to at least 2"
        )
    if not bool(batch.z.isfinite().all()):
        raise UserError("outputs of the encoder are NaN or infinite", do="lower the learning rate, or raise epsilon")
    return batch.z if batch.z.dtype == torch.float64 else batch.z.float()


def unit_rows(z: torch.Tensor) -> torch.Tensor:
    """Rows at unit length. A row of zeros stays zero, without a gradient (which would be 1e12 times too large)."""
    there = z.detach().abs().amax(-1, keepdim=True) > 0
    return torch.where(there, torch.nn.functional.normalize(torch.where(there, z, 1), dim=-1), 0)


def check_classes(batch: GlobalBatch, objective: str) -> torch.Tensor:
    """Classes [B]. Raises UserError without labels, with labels of another length, or if all are missing."""
    if batch.classes is None:
        raise UserError(f"{objective} learns from labels, and there are none", do="name a label column")
    if batch.classes.shape != batch.z.shape[1:2]:
        raise UserError(f"{list(batch.classes.shape)} labels for {batch.z.shape[1]} rows")
    if not bool((batch.classes >= 0).any()):
        raise UserError(f"no row of the batch has a label, and {objective} learns from labels")
    return batch.classes


def check_num_classes(num_classes: int, objective: str) -> None:
    """Raise UserError unless there are two classes to tell apart."""
    if num_classes < 2:
        raise UserError(
            f"{objective} tells classes apart, and there {'is one' if num_classes == 1 else 'are none'}",
            where="labels",
            do="name a column with at least two classes, or use an objective without labels",
        )
