"""Which class each anchor is paired with, and who then is its positive and who its negative.

Letters: ``B`` rows of a batch, ``N`` keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from components.checks import check_one_of, check_range
from components.errors import UserError

PAIRINGS = ("arbitrary", "distinct", "identical")
LEAST_SAME = 0.1


@dataclass(frozen=True, kw_only=True)
class ClassPairs:
    """How partner classes are drawn.

    Attributes:
        pairing: ``arbitrary`` takes the class of a random row of the batch, ``distinct`` any other class, ``identical``
            the anchor's own.
        same_share: share of the anchors that keep their own class whatever the draw.
    """

    pairing: str = "arbitrary"
    same_share: float = 1 / 3

    def __post_init__(self) -> None:
        check_range("same_share", self.same_share, 0, 1)
        check_one_of("pairing", self.pairing, PAIRINGS)
        if self.pairing == "distinct" and self.same_share < LEAST_SAME:
            raise UserError(
                "pairs of different classes alone pull nothing of one class together: across two kinds of data such an"
                " encoder stays at chance",
                where="same_share",
                do=f"keep at least {LEAST_SAME:g} of the anchors with their own class, or use pairing: arbitrary",
            )

    def draw(self, classes: torch.Tensor, num_classes: int, seed: int) -> torch.Tensor:
        """Partner class of every row. [B]; the same on every worker and device."""
        generator = torch.Generator().manual_seed(seed)
        count = len(classes)
        if self.pairing == "identical":
            return classes
        if self.pairing == "arbitrary":
            partner = classes[torch.randperm(count, generator=generator).to(classes.device)]
        else:
            step = torch.randint(1, num_classes, (count,), generator=generator).to(classes.device)
            partner = (classes + step) % num_classes
        keep = torch.rand(count, generator=generator) < self.same_share
        return torch.where(keep.to(classes.device), classes, partner)


@dataclass(frozen=True, kw_only=True)
class Masks:
    """``positives`` P_i = {j: y_j = t_i} and ``negatives`` N_i = {j: y_j is neither y_i nor t_i}. [B, N] booleans"""

    positives: torch.Tensor
    negatives: torch.Tensor


def masks(classes: torch.Tensor, partner: torch.Tensor, key_classes: torch.Tensor) -> Masks:
    """Who is what to whom; keys of the anchor's own class are neither, unless it is its own partner."""
    positives = key_classes == partner[:, None]
    return Masks(positives=positives, negatives=~positives & (key_classes != classes[:, None]))


@dataclass(frozen=True, kw_only=True)
class PairLoss:
    """``value``: mean over all positive pairs; ``lost``: share of the anchors without a positive or any negative."""

    value: torch.Tensor
    lost: torch.Tensor


def pair_loss(logits: torch.Tensor, who: Masks) -> PairLoss:
    """Σ_i Σ_{j ∈ P_i} log(1 + Σ_{n ∈ N_i} e^{s_in − s_ij}) / Σ_i |P_i|: positives compete with negatives, not with each
    other. Anchors without positives or negatives add nothing and are counted."""
    there = who.negatives.any(1, keepdim=True)
    against = torch.where(there, logits.masked_fill(~who.negatives, -1e9).logsumexp(1, keepdim=True), 0)
    counted = who.positives & there
    each = torch.nn.functional.softplus(against - logits)
    total = torch.where(counted, each, 0).sum() / counted.sum().clamp(min=1)
    return PairLoss(value=total, lost=1 - counted.any(1).to(logits).mean())
