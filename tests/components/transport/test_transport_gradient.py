"""Closed-form gradients: against finite differences, against unrolled Sinkhorn, and what they must not lose."""

import pytest
import torch

from components.errors import UserError
from components.transport.config import SinkhornConfig
from components.transport.gradient import balance, plan_loss, row_loss
from components.transport.sinkhorn import sinkhorn

CONVERGED = {"iterations": 20000, "tolerance": 1e-14}


def draw(n: int, m: int, seed: int) -> torch.Tensor:
    return torch.rand(n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unrolled(scores: torch.Tensor, epsilon: float, sweeps: int) -> torch.Tensor:
    """log P of uniform marginals, differentiated through every sweep."""
    logits, (n, m) = scores / epsilon, scores.shape
    f, g = logits.new_zeros(n, 1), logits.new_zeros(1, m)
    for _ in range(sweeps):
        f = -torch.logsumexp(logits + g, 1, keepdim=True) - torch.log(torch.tensor(float(n)))
        g = -torch.logsumexp(logits + f, 0, keepdim=True) - torch.log(torch.tensor(float(m)))
    return logits + f + g


@pytest.mark.parametrize("rho", [(None, None), (1.0, 1.0), (0.2, 3.0), (None, 0.5), (0.5, None)])
def test_gradcheck(rho: tuple[float | None, float | None]) -> None:
    scores, target = draw(6, 8, 0).requires_grad_(), draw(6, 8, 1)
    target[2] = 0  # an unpaired row
    config = SinkhornConfig(epsilon=0.2, rho_rows=rho[0], rho_columns=rho[1], **CONVERGED)  # type: ignore[arg-type]
    assert torch.autograd.gradcheck(lambda s: plan_loss(s, target / target.sum(), config=config).value, (scores,))


def test_gradcheck_of_a_batch() -> None:
    scores, target = torch.stack([draw(4, 5, 0), draw(4, 5, 1)]).requires_grad_(), draw(4, 5, 2).expand(2, 4, 5)
    config = SinkhornConfig(epsilon=0.2, rho_rows=0.7, rho_columns=0.7, **CONVERGED)  # type: ignore[arg-type]
    assert torch.autograd.gradcheck(lambda s: plan_loss(s, target, config=config).value.sum(), (scores,))


@pytest.mark.parametrize("make", ["identity", "any"])
def test_the_unrolled_form_gives_the_same_gradient(make: str) -> None:
    scores = (2 * draw(64, 64, 0) - 1).requires_grad_()
    target = torch.eye(64, dtype=torch.float64) / 64 if make == "identity" else draw(64, 64, 1) / 2048
    (slow,) = torch.autograd.grad(-(target * unrolled(scores, 0.2, 300)).sum(), scores)
    loss = plan_loss(scores, target, config=SinkhornConfig(epsilon=0.2, **CONVERGED))  # type: ignore[arg-type]
    (fast,) = torch.autograd.grad(loss.value, scores)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-9)
    if make == "identity":
        torch.testing.assert_close(fast, (loss.plan.plan - target) / 0.2)
        fixed = sinkhorn(scores, config=SinkhornConfig(epsilon=0.2, **CONVERGED))  # type: ignore[arg-type]
        (rows,) = torch.autograd.grad(row_loss(scores, target, fixed), scores)
        torch.testing.assert_close(rows, fast, rtol=0, atol=1e-9)


def test_row_loss_has_the_gradient_of_its_own_row_step_and_repels() -> None:
    scores = (2 * draw(16, 16, 0) - 1).requires_grad_()
    target = torch.eye(16, dtype=torch.float64) / 16
    plan = sinkhorn(scores, config=SinkhornConfig(epsilon=0.1, iterations=3, check_every=0))
    (gradient,) = torch.autograd.grad(row_loss(scores, target, plan), scores)
    rows = (scores / 0.1 + plan.g).softmax(1).detach() / 16
    torch.testing.assert_close(gradient, (rows - target) / 0.1)
    assert float(gradient[0, 1]) > 0  # with both potentials fixed it would be 0: nothing would repel


def test_divergence_falls_at_every_half_step_for_a_balanced_target_and_need_not_for_another() -> None:
    raw = draw(20, 20, 1) ** 4 * torch.arange(1, 21)  # of unequal row sums
    target = balance(raw)
    torch.testing.assert_close(target.sum(1), torch.full((20,), 0.05, dtype=torch.float64), rtol=1e-4, atol=0)
    logits = {"balanced": 5 * draw(20, 20, 0), "raw": raw.log()}
    falls = {name: half_steps(logits[name], t / t.sum()) for name, t in (("balanced", target), ("raw", raw))}
    assert all(b <= a + 1e-6 for a, b in zip(falls["balanced"], falls["balanced"][1:], strict=False))
    assert any(b > a + 1e-3 for a, b in zip(falls["raw"], falls["raw"][1:], strict=False))


def half_steps(logits: torch.Tensor, target: torch.Tensor) -> list[float]:
    plan, values = logits.exp(), []
    for step in range(8):
        plan = plan / plan.sum(1 - step % 2, keepdim=True) / 20
        values.append(float((target * (target / plan).log() - target + plan).sum()))
    return values


def test_a_loss_that_did_not_converge_has_a_finite_gradient() -> None:
    scores = (40 * draw(10, 10, 0)).requires_grad_()
    loss = plan_loss(scores, draw(10, 10, 1), config=SinkhornConfig(epsilon=0.01, iterations=1))
    (gradient,) = torch.autograd.grad(loss.value, scores)
    assert not bool(loss.plan.converged) and bool(gradient.isfinite().all())


@pytest.mark.parametrize(("change", "said"), [("shape", "target plan is"), ("negative", "negative"), ("nan", "finite")])
def test_impossible_targets(change: str, said: str) -> None:
    target = draw(4, 5, 0)
    if change == "shape":
        target = target.T
    else:
        target[1, 1] = -0.1 if change == "negative" else torch.nan
    with pytest.raises(UserError, match=said):
        plan_loss(draw(4, 5, 1), target, config=SinkhornConfig())
