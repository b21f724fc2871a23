"""InfoNCE: the first half-step of Sinkhorn in value and gradient."""

from dataclasses import replace

import pytest
import torch
from batches import batch, loss_and_gradient, target_of

from components.objectives.comparison import compare
from components.transport.config import SinkhornConfig
from components.transport.gradient import row_loss
from components.transport.sinkhorn import sinkhorn


@pytest.mark.parametrize("among", ["all", "views"])
def test_infonce_is_the_divergence_from_the_row_projection(among: str) -> None:
    given = batch()
    loss, gradient = loss_and_gradient("info-nce", given, epsilon=0.3, among=among)
    pairs = compare(given, among)
    values = []
    for logits, wanted in ((pairs.scores / 0.3, target_of(pairs)), (pairs.scores.T / 0.3, target_of(pairs).T)):
        chosen = wanted > 0  # where the target is empty the divergence is
        plan = logits.exp() / logits.exp().sum(1, keepdim=True) / len(logits)
        values.append((wanted[chosen] * (wanted[chosen] / plan[chosen]).log()).sum())
    expected = (values[0] + values[1]) / 2
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, given.z)[0])


def test_it_is_the_row_loss_without_a_potential() -> None:
    given = batch()
    pairs = compare(given, "all")
    before = replace(sinkhorn(pairs.scores, config=SinkhornConfig(epsilon=0.2)), g=torch.zeros(32, dtype=torch.float64))
    torch.testing.assert_close(
        row_loss(pairs.scores, target_of(pairs), before).detach(), loss_and_gradient("info-nce", given)[0]
    )
