"""Losses on a plan with gradients in closed form: Sinkhorn is never unrolled.

ℓ = −Σ T log P for a target plan T. With A = P/row sums, B = Pᵀ/column sums, r = ρ/(ρ+ε) of each side, t₁ = T1,
t₂ = Tᵀ1, the fixed point gives (I − r₁r₂BᵀAᵀ)x = −t₁ + r₂Bᵀt₂, y = −t₂ − r₁Aᵀx and
∂ℓ/∂L = −T − r₁ x⊙A − r₂ (y⊙B)ᵀ with L = scores/ε. Balanced with T of the plan's marginals it is (P − T)/ε.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from components.errors import UserError
from components.transport.config import SinkhornConfig
from components.transport.plan import EntropicPlan
from components.transport.sinkhorn import sinkhorn

CG_STEPS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanLoss:
    """``value`` −Σ T log P with its gradient, ``divergence`` KL(T ‖ P) without one, and the plan."""

    value: torch.Tensor
    divergence: torch.Tensor
    plan: EntropicPlan


def plan_loss(scores: torch.Tensor, target: torch.Tensor, *, config: SinkhornConfig) -> PlanLoss:
    """−Σ T log P, P the converged transport of ``scores``; its gradient is that of the implicit function.

    Exact where Sinkhorn converged; otherwise off by the order of the marginal error. For a fixed small number of
    sweeps :func:`row_loss` is the loss of the GCA paper.

    Args:
        scores: [N, M] or [..., N, M], with gradient.
        target: T of the same shape, not negative; rows and columns may be zero (unpaired items).
        config: as of :func:`sinkhorn`.

    Raises:
        UserError: a target of another shape, negative or not finite; what :func:`sinkhorn` refuses.
    """
    check_target(target, scores)
    plan = sinkhorn(scores, config=config)
    target = target.detach().to(plan.scores)
    value: torch.Tensor = _PlanLoss.apply(scores, target, plan, config)
    return PlanLoss(value=value, divergence=value.detach() + _entropy(target), plan=plan)


def row_loss(scores: torch.Tensor, target: torch.Tensor, plan: EntropicPlan) -> torch.Tensor:
    """−Σ T log P after one more row step, the only differentiable one: cross-entropy on scores/ε + g. [...]

    The gradient is (P_rows − T)/ε for T with the plan's row sums, whatever the number of sweeps behind g (GCA paper,
    value equal to that of its code, without unrolling). Only g is held fixed: with f fixed too nothing would repel.
    """
    check_target(target, scores)
    logits = scores.to(plan.g.dtype) / plan.epsilon + plan.g.unsqueeze(-2)
    log_rows = logits.log_softmax(-1)
    return -torch.where(target > 0, target * log_rows, 0).sum((-2, -1))


def check_target(target: torch.Tensor, scores: torch.Tensor) -> None:
    """Raise UserError unless ``target`` has the scores' shape and finite entries of at least 0."""
    if target.shape != scores.shape:
        raise UserError(f"the target plan is {list(target.shape)}, the scores are {list(scores.shape)}")
    if not bool((target.isfinite() & (target >= 0)).all()):
        raise UserError("the target plan has negative or non-finite entries", do="repulsion needs a weighted loss")


def _entropy(target: torch.Tensor) -> torch.Tensor:
    return torch.xlogy(target, target).sum((-2, -1))


class _PlanLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scores: torch.Tensor, target: torch.Tensor, plan: EntropicPlan, config: SinkhornConfig
    ) -> Any:
        ctx.save_for_backward(target, plan.plan)
        ctx.config, ctx.dtype = config, scores.dtype
        return -torch.where(target > 0, target * plan.log_plan, 0).sum((-2, -1))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        target, plan = ctx.saved_tensors
        found = implicit_gradient(plan, target, ctx.config).mul_(gradients[0][..., None, None])
        return found.to(ctx.dtype), None, None, None


def implicit_gradient(plan: torch.Tensor, target: torch.Tensor, config: SinkhornConfig) -> torch.Tensor:
    """∂ℓ/∂scores [..., N, M] of ℓ = −Σ T log P at a converged plan, by conjugate gradients."""
    one, two = config.damping
    rows, columns = plan.sum(-1), plan.sum(-2)
    t_rows, t_columns = target.sum(-1), target.sum(-2)
    if config.balanced and _equal(t_rows, rows) and _equal(t_columns, columns):
        return (plan - target).div_(config.epsilon)
    over_rows, over_columns = _inverse(rows), _inverse(columns)
    right = two * _times(plan, over_columns * t_columns) - t_rows
    x = _solve_symmetric(plan, over_rows.sqrt(), over_columns, right, one * two)
    y = -t_columns - one * _times(plan.mT, over_rows * x)
    factors = (one * over_rows * x).unsqueeze(-1) + (two * over_columns * y).unsqueeze(-2)
    return (-target - factors * plan).div_(config.epsilon)


def _solve_symmetric(
    plan: torch.Tensor, root: torch.Tensor, over_columns: torch.Tensor, right: torch.Tensor, damping: float
) -> torch.Tensor:
    """x of (I − r₁r₂BᵀAᵀ)x = right. With x = √rows·w the matrix is symmetric and positive (semi-definite if balanced,
    where ``right`` has no part in its null space), so conjugate gradients do it."""

    def times(w: torch.Tensor) -> torch.Tensor:
        return w - damping * root * _times(plan, over_columns * _times(plan.mT, root * w))

    residual = root * right
    w, direction, power = torch.zeros_like(residual), residual, _power(residual)
    eps = torch.finfo(power.dtype).eps
    enough = (50 * eps) ** 2 * power
    for _ in range(CG_STEPS):
        image = times(direction)
        curvature = (direction * image).sum(-1, keepdim=True)
        # In the null space (a plan that falls apart into blocks) there is nothing to solve.
        going = (power > enough) & (curvature > 10 * eps * _power(direction))
        if not bool(going.any()):
            break
        step = torch.where(going, power / curvature, 0)
        w, residual = w + step * direction, residual - step * image
        before, power = power, _power(residual)
        direction = torch.where(going, residual + power / before * direction, direction)
    return w * _inverse(root)


def _power(x: torch.Tensor) -> torch.Tensor:
    return (x * x).sum(-1, keepdim=True)


def _times(matrix: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return (matrix @ x.unsqueeze(-1)).squeeze(-1)


def _inverse(x: torch.Tensor) -> torch.Tensor:
    """1/x, and 0 for sums of (almost) nothing, whose inverse would overflow: an empty row, or far from converged."""
    return torch.where(x > torch.finfo(x.dtype).tiny ** 0.5, 1 / x, 0)


def _equal(x: torch.Tensor, y: torch.Tensor) -> bool:
    return bool(((x - y).abs().sum(-1) <= 1e-3 * y.sum(-1)).all())


def balance(target: torch.Tensor) -> torch.Tensor:
    """The plan with equal row sums and equal column sums nearest to ``target`` [N, M] (total mass 1).

    Without it KL to a target of unequal sums does not fall with the sweeps. Zero rows and columns stay zero.

    Raises:
        UserError: negative, non-finite or all zero.
    """
    check_target(target, target)
    rows, columns = (target > 0).any(-1), (target > 0).any(-2)
    if not bool(rows.any()):
        raise UserError("the target plan is all zero")
    one, two = (w / w.sum(-1, keepdim=True) for w in (rows.to(target), columns.to(target)))
    return sinkhorn(target.log(), config=SinkhornConfig(epsilon=1.0), row_weights=one, column_weights=two).plan
