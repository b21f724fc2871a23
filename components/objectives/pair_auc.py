"""How well classes that were paired stand out from all third classes, in the pair's subspace and without it.

AUC of an anchor of class c₁: chance that a row of c₂ is nearer than a row outside the pair. Mean over anchors, for
every pair of two classes, on rows that were held out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import torch

from components.objectives.gated_logits import gated_logits

Gate = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class PairAUC:
    """``mean`` and ``worst`` over ordered pairs of different classes."""

    mean: float
    worst: float


@torch.no_grad()
def pair_auc(z: torch.Tensor, classes: torch.Tensor, gate: Gate | None) -> PairAUC:
    """Areas of rows [N, D] of ``classes`` [N] with a gate (class numbers [1] and [1] to [1, D]), or without one (None).

    Pairs of which a class, or everything outside them, has no row are left out.
    """
    found = []
    for one, two in permutations(classes.unique().tolist(), 2):
        outside = (classes != one) & (classes != two)
        if not bool(outside.any()):
            continue
        numbers = [torch.tensor([c], device=z.device) for c in (one, two)]
        opened = torch.ones_like(z[:1]) if gate is None else gate(*numbers)
        anchors = z[classes == one]
        near, far = (gated_logits(anchors, z[who], opened, 1.0) for who in (classes == two, outside))
        found.append(_auc(near, far))
    return PairAUC(mean=sum(found) / len(found), worst=min(found)) if found else PairAUC(mean=0.5, worst=0.5)


def _auc(near: torch.Tensor, far: torch.Tensor) -> float:
    """Mean over the rows of P(near > far) + P(near = far)/2."""
    ordered = far.sort(1).values
    below = torch.searchsorted(ordered, near.contiguous()).double()
    not_above = torch.searchsorted(ordered, near.contiguous(), right=True).double()
    return float(((below + not_above) / 2 / far.shape[1]).mean())
