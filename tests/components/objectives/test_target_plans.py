"""Arbitrary target plans and those of domains: gradients, zero rows, balance, repulsion."""

from dataclasses import replace

import pytest
import torch
from batches import batch, criterion, loss_and_gradient

from components.errors import UserError
from components.objectives.domain_plan import domain_target

TIGHT = {"iterations": 20000, "tolerance": 1e-14}


@pytest.mark.parametrize("rho", [0.5, None])
def test_gradcheck_with_zero_rows_and_columns(rho: float | None) -> None:
    data = batch(rows=6)
    plan = torch.rand(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    plan[1], plan[:, 4] = 0, 0
    made = criterion("target-plan", rho=rho, **TIGHT)
    assert torch.autograd.gradcheck(lambda z: made(replace(data, z=z, plan=plan)).loss, (data.z,))


def test_the_identity_is_the_default_and_equals_gca_ince_when_balanced() -> None:
    data = batch()
    loss, gradient = loss_and_gradient("target-plan", data, rho=None, **TIGHT)
    scored = criterion("target-plan", rho=None, **TIGHT)(data)
    plain, expected = loss_and_gradient("gca-ince", data, among="views", iterations=2000)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(scored.metrics["divergence"], plain)
    torch.testing.assert_close(loss, plain + torch.log(torch.tensor(16.0)).double())


def test_unpaired_rows_are_pushed_from_everything_but_never_pulled() -> None:
    data = batch(rows=8)
    plan = torch.eye(8)
    plan[5, 5] = 0
    scored = criterion("target-plan", rho=0.3, **TIGHT)(replace(data, plan=plan))
    torch.testing.assert_close(
        scored.loss, criterion("target-plan", rho=0.3, **TIGHT)(replace(data, plan=3 * plan)).loss
    )
    assert float(scored.metrics["converged"]) == 1


@pytest.mark.parametrize("bad", ["shape", "negative", "nan", "zero"])
def test_impossible_plans(bad: str) -> None:
    plan = torch.eye(16)
    if bad == "shape":
        plan = torch.ones(16, 15)
    elif bad == "zero":
        plan = torch.zeros(16, 16)
    else:
        plan[3, 3] = -1 if bad == "negative" else torch.nan
    with pytest.raises(UserError, match="target plan"):
        criterion("target-plan")(batch(plan=plan))


def test_domain_targets_are_balanced_unless_they_repel() -> None:
    domains = torch.tensor([0, 0, 0, 0, 1, 1, -1])
    target = domain_target(domains, 0.5, 0.1).double()
    torch.testing.assert_close(target.sum(0), target.sum(1))
    torch.testing.assert_close(target.sum(1), torch.full((7,), 1 / 7).double(), rtol=1e-4, atol=0)
    assert float(target[6, :6].sum()) == 0 and float(target[0, 1]) > float(target[0, 4]) > 0
    assert float(domain_target(domains, 0.5, -0.1)[0, 4]) < 0


def test_no_share_for_others_is_gca_ince_and_a_share_brings_domains_together() -> None:
    data = batch()
    torch.testing.assert_close(
        loss_and_gradient("domain-plan", data, same=0.0),
        loss_and_gradient("gca-ince", data, among="views"),
        rtol=1e-4,
        atol=1e-5,
    )
    attracted = [domain_gap(same) for same in (-0.2, 0.0, 0.3)]
    assert attracted == sorted(attracted)


def domain_gap(same: float) -> float:
    """How much nearer rows of a domain are than others after some steps from the same start."""
    data = batch(rows=32)
    z = data.z.detach().clone().requires_grad_()
    made, optimizer = criterion("domain-plan", same=same), torch.optim.Adam([z], 0.05)
    for _ in range(30):
        optimizer.zero_grad()
        made(replace(data, z=z)).loss.backward()
        optimizer.step()
    unit = torch.nn.functional.normalize(z[0].detach(), dim=1)
    cosines, within = unit @ unit.T, data.classes[:, None] == data.classes  # type: ignore[index]
    off = ~torch.eye(32, dtype=torch.bool)
    return float(cosines[within & off].mean() - cosines[~within].mean())
