"""BYOL (Grill et al., NeurIPS 2020): each view predicts what a slowly averaged network makes of the other.

In GCA's terms the prox is L2 and the plan has no constraint, so only the attraction (1 − cosine)/ε remains. That it
does not collapse is owed to the predictor, the averaged network and the stopped gradient, not to the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.checks import check_range
from components.errors import UserError
from components.objectives.protocol import Criterion, GlobalBatch, Scored, check_batch, unit_rows


@dataclass(frozen=True, kw_only=True)
class BYOL:
    """Config of BYOL. ``epsilon`` = 1/2 is the paper's 2 − 2 cosine."""

    epsilon: float = 0.5

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, above=True)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _BYOL(self)


class _BYOL(Criterion):
    target_network = True
    config: BYOL

    def forward(self, batch: GlobalBatch) -> Scored:
        z = check_batch(batch)
        if batch.target is None:
            raise UserError("byol compares with an averaged network, and the batch has no outputs of one")
        swapped = batch.target.detach().to(z.dtype).flip(0)
        cosines = (unit_rows(z) * unit_rows(swapped)).sum(-1)
        return Scored(loss=(1 - cosines).mean() / self.config.epsilon, metrics={"cosine": cosines.detach().mean()})
