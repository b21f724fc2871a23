"""RINCE: its two ends."""

import torch
from batches import batch, loss_and_gradient

from components.objectives.comparison import compare


def test_small_q_is_infonce_plus_a_constant() -> None:
    given = batch()
    loss, gradient = loss_and_gradient("rince", given, q=1e-6, weight=0.1)
    plain, expected = loss_and_gradient("info-nce", given)
    torch.testing.assert_close(loss, plain + torch.log(torch.tensor(0.1)), rtol=0, atol=1e-4)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


def test_q_of_one_is_linear_in_the_kernel() -> None:
    given = batch()
    loss, _ = loss_and_gradient("rince", given, q=1.0, weight=0.05, epsilon=0.4)
    pairs = compare(given, "all")
    kernel = ((pairs.scores - 1) / 0.4).exp()
    positive = kernel.gather(1, pairs.positives[:, None]).squeeze(1)
    torch.testing.assert_close(loss, (0.05 * kernel.sum(1) - positive).mean().detach())
