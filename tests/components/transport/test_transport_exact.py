"""Exact, partial and Gromov plans behind the common result: what they recover, status, bad input."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from components.errors import UserError
from components.transport.exact import exact_plan
from components.transport.gromov import GromovConfig, gromov_plan


def points(n: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 2)))


def test_equal_weights_give_the_assignment() -> None:
    cost = torch.cdist(points(20, 0), points(20, 1))
    plan = exact_plan(cost)
    rows, columns = linear_sum_assignment(cost.numpy())
    expected = torch.zeros(20, 20, dtype=torch.float64)
    expected[rows, columns] = 0.05
    torch.testing.assert_close(plan.plan, expected)
    assert bool(plan.converged) and plan.value == pytest.approx(float((cost * expected).sum()))


def test_partial_transport_leaves_the_outlier() -> None:
    left = points(10, 0)
    right = left.clone()
    right[3] += 100
    plan = exact_plan(torch.cdist(left, right), mass=0.9)
    assert bool(plan.converged) and float(plan.plan.sum()) == pytest.approx(0.9)
    assert float(plan.plan[3].sum() + plan.plan[:, 3].sum()) == pytest.approx(0, abs=1e-12)


def test_too_few_iterations_are_a_status() -> None:
    assert not bool(exact_plan(torch.cdist(points(60, 0), points(60, 1)), max_iterations=2).converged)


def test_gromov_finds_a_turned_copy_and_a_cost_or_a_start_settles_what_is_ambiguous() -> None:
    left = points(12, 0)
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    order = torch.from_numpy(np.random.default_rng(5).permutation(12))
    right = (left @ turn)[order]
    inner = torch.cdist(left, left), torch.cdist(right, right)
    truth = torch.zeros(12, 12, dtype=torch.float64)
    truth[order, torch.arange(12)] = 1 / 12
    names = torch.rand(12, dtype=torch.float64)
    for plan in (
        gromov_plan(*inner, config=GromovConfig(), start=0.9 * truth + 0.1 / 144),
        gromov_plan(*inner, config=GromovConfig(alpha=0.3), cost=(names[:, None] - names[order]).abs() * 10),
    ):
        assert bool(plan.converged) and plan.value == pytest.approx(0, abs=1e-9)
        torch.testing.assert_close(plan.plan, truth)


def test_partial_gromov_moves_its_share() -> None:
    inner = torch.cdist(points(10, 0), points(10, 0)), torch.cdist(points(8, 1), points(8, 1))
    plan = gromov_plan(*inner, config=GromovConfig(mass=0.6))
    assert bool(plan.converged) and float(plan.plan.sum()) == pytest.approx(0.6)
    assert float(plan.plan.sum(1).max()) <= 0.1 + 1e-9


def test_bad_input() -> None:
    cost = torch.rand(4, 5)
    with pytest.raises(UserError, match="mass"):
        exact_plan(cost, mass=0.0)
    with pytest.raises(UserError, match="NaN"):
        exact_plan(cost * torch.nan)
    with pytest.raises(UserError, match="weights"):
        exact_plan(cost, row_weights=torch.ones(5))
    with pytest.raises(UserError, match="square"):
        gromov_plan(cost, torch.rand(5, 5), config=GromovConfig())
    with pytest.raises(UserError, match="the sides have"):
        gromov_plan(torch.rand(3, 3), torch.rand(5, 5), cost=cost, config=GromovConfig())
    with pytest.raises(UserError, match="alpha"):
        GromovConfig(alpha=1.5)
