"""GCA-INCE, GCA-RINCE and GCA-UOT: what they equal, their gradients, their limits.

Not asserted, because it does not hold: that GCA-RINCE lies below RINCE (the poster's inequality).
"""

import pytest
import torch
from batches import batch, criterion, loss_and_gradient, target_of
from hypothesis import given, settings
from hypothesis import strategies as st

from components.objectives.comparison import compare
from components.transport.config import SinkhornConfig
from components.transport.sinkhorn import sinkhorn

MANY = {"iterations": 3000}


@pytest.mark.parametrize("among", ["all", "views"])
def test_gca_ince_has_the_gradient_plan_minus_target_at_convergence(among: str) -> None:
    data = batch()
    loss, gradient = loss_and_gradient("gca-ince", data, epsilon=0.3, among=among, **MANY)
    pairs = compare(data, among)
    plan = sinkhorn(pairs.scores, config=SinkhornConfig(epsilon=0.3, check_every=0, **MANY))  # type: ignore[arg-type]
    target = target_of(pairs)
    (expected,) = torch.autograd.grad(pairs.scores, data.z, (plan.plan - target) / 0.3)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)
    wanted = torch.where(target > 0, target * (target.log() - plan.log_plan), 0).sum()
    torch.testing.assert_close(loss, wanted)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), epsilon=st.sampled_from([0.1, 0.3, 1.0]), sweeps=st.integers(1, 20))
def test_more_sweeps_never_raise_gca_ince_above_infonce(seed: int, epsilon: float, sweeps: int) -> None:
    """KL to the identity falls with every half-step: its plan has the marginals."""
    data = batch(seed)
    before = loss_and_gradient("info-nce", data, epsilon=epsilon, among="views")[0]
    losses = [loss_and_gradient("gca-ince", data, epsilon=epsilon, iterations=n, among="all")[0] for n in (sweeps, 60)]
    rows = loss_and_gradient("info-nce", data, epsilon=epsilon, among="all")[0]
    assert losses[1] <= losses[0] + 1e-9 <= rows + 2e-9
    assert loss_and_gradient("gca-ince", data, epsilon=epsilon, iterations=60, among="views")[0] <= before + 1e-9


def test_gca_rince_is_rince_of_the_biased_logits_and_ignores_the_gauge() -> None:
    data = batch()
    loss, _ = loss_and_gradient("gca-rince", data, epsilon=0.2, q=0.5, weight=0.03, iterations=3)
    pairs = compare(data, "all")
    logits, u, v = (pairs.scores.detach() - 1) / 0.2, torch.ones(32).double(), torch.ones(32).double()
    kernel = logits.exp()
    for _ in range(3):
        u = 1 / (kernel @ v)
        v = 1 / (kernel.T @ u)
    v = v / v.log().mean().exp()
    positive = kernel.gather(1, pairs.positives[:, None]).squeeze(1) * v[pairs.positives]
    expected = (-(positive**0.5) / 0.5 + (0.03 * (kernel @ v)) ** 0.5 / 0.5).mean()
    torch.testing.assert_close(loss, expected)


def test_gca_rince_with_small_q_is_gca_ince_plus_a_constant() -> None:
    data = batch()
    loss, _ = loss_and_gradient("gca-rince", data, q=1e-6, weight=1.0)
    torch.testing.assert_close(loss, loss_and_gradient("gca-ince", data)[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("among", ["all", "views"])
def test_gca_uot_lies_between_infonce_and_gca_ince(among: str) -> None:
    data = batch()
    settings = {"robust_part": 0.0, "iterations": 300, "among": among}
    for rho, name in ((1e-9, "info-nce"), (1e9, "gca-ince")):
        loss, gradient = loss_and_gradient("gca-uot", data, rho=rho, **settings)
        more = {} if name == "info-nce" else {"iterations": 300}
        plain, expected = loss_and_gradient(name, data, among=among, **more)
        torch.testing.assert_close(loss, plain, rtol=0, atol=1e-6)
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-6)


def test_the_robust_part_of_gca_uot_tends_to_gca_rince() -> None:
    data = batch()
    loss, _ = loss_and_gradient("gca-uot", data, rho=1e9, entropy_part=0.0, robust_part=1.0, iterations=300)
    torch.testing.assert_close(loss, loss_and_gradient("gca-rince", data, iterations=300)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["gca-ince", "gca-rince", "gca-uot"])
def test_outputs_of_other_lengths_change_nothing(name: str) -> None:
    data = batch()
    longer = batch()
    scale = torch.linspace(0.5, 4, 16, dtype=torch.float64)[:, None]
    longer = type(longer)(z=(data.z.detach() * scale).requires_grad_())
    torch.testing.assert_close(loss_and_gradient(name, data)[0], loss_and_gradient(name, longer)[0])


@pytest.mark.parametrize("name", ["gca-ince", "gca-rince", "gca-uot"])
def test_single_precision_agrees_at_small_epsilon(name: str) -> None:
    data = batch(rows=64)
    single = type(data)(z=data.z.detach().float().requires_grad_())
    settings = {"epsilon": 0.005, "iterations": 50, "among": "views"}
    (one, first), (two, second) = (loss_and_gradient(name, d, **settings) for d in (data, single))
    torch.testing.assert_close(two.double(), one, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(second.double(), first, rtol=0, atol=2e-3 * float(first.abs().max()))


def test_the_plan_for_the_figure() -> None:
    plan = criterion("gca-ince", iterations=500).diagnose(batch())["plan"]
    assert plan.shape == (16, 16)
    torch.testing.assert_close(torch.from_numpy(plan.sum(1)), torch.full((16,), 1 / 16, dtype=torch.float64))
