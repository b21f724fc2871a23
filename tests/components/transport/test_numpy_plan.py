"""The plan in NumPy: equal to POT's, right where POT's kernel underflows, exact columns."""

import numpy as np
import ot
import pytest
import torch

from components.transport.config import SinkhornConfig
from components.transport.numpy_plan import balanced_plan
from components.transport.sinkhorn import sinkhorn


@pytest.mark.parametrize("shape", [(30, 30), (20, 35)])
def test_agrees_with_pot(shape: tuple[int, int]) -> None:
    scores = np.random.default_rng(0).normal(size=shape)
    rows, columns = (np.full(n, 1 / n) for n in shape)
    expected = ot.sinkhorn(rows, columns, -scores, 0.5, stopThr=1e-14, numItermax=10_000)
    np.testing.assert_allclose(balanced_plan(scores, 0.5, sweeps=2000, tolerance=1e-13), expected, atol=1e-12)


def test_small_epsilon_does_not_underflow_and_agrees_with_the_torch_solver() -> None:
    rng = np.random.default_rng(1)
    x, y = (rng.normal(size=(60, 20)) for _ in range(2))
    scores = (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T
    plan = balanced_plan(scores, 0.02, sweeps=20_000, tolerance=1e-10)
    config = SinkhornConfig(epsilon=0.02, iterations=20_000, tolerance=1e-10, domain="log")
    np.testing.assert_allclose(plan, sinkhorn(torch.from_numpy(scores), config=config).plan.numpy(), atol=1e-9)


def test_columns_are_exact_after_any_number_of_sweeps_and_scores_may_be_shifted() -> None:
    scores = np.random.default_rng(2).normal(size=(12, 9))
    plan = balanced_plan(scores, 0.1, sweeps=1)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 9, atol=1e-15)
    np.testing.assert_allclose(balanced_plan(scores + 7, 0.1, sweeps=1), plan, atol=1e-13)
