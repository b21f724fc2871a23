"""One Sinkhorn: balanced or unbalanced, weighted, rectangular, batched, warm-started (Cuturi 2013; Chizat et al. 2018).

Letters: ``N`` rows, ``M`` columns, a and b their marginals, f and g the potentials: P = exp(scores/ε + f + g).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from components.errors import UserError
from components.transport.config import SinkhornConfig
from components.transport.kernel_domain import KernelDomain
from components.transport.log_domain import LogDomain
from components.transport.mixed_domain import MixedDomain
from components.transport.plan import EntropicPlan
from components.transport.problem import Problem, check_scores, make_problem


def sinkhorn(
    scores: torch.Tensor,
    *,
    config: SinkhornConfig,
    row_weights: torch.Tensor | None = None,
    column_weights: torch.Tensor | None = None,
    start: torch.Tensor | EntropicPlan | None = None,
) -> EntropicPlan:
    """Solve the transport of ``config`` for scores [..., N, M] (similarities; of a cost C give −C).

    No gradient flows: see :func:`components.transport.gradient.plan_loss`. −inf masks a pair. Half precision is
    computed in float32. Not converging is a status of the result, not an error.

    Args:
        scores: any device, float32 or float64.
        config: ε, ρ, sweeps, tolerance, domain.
        row_weights, column_weights: a [N] or [..., N] and b; 1/N and 1/M by default. A weight of 0 empties its row.
        start: column potential [M] or [..., M], or an earlier plan whose potential it is.

    Raises:
        UserError: no matrix, unusable weights, NaN or +inf scores, a row or column that is masked altogether.
    """
    with torch.no_grad():
        scores = scores.detach()
        problem = make_problem(scores, config, row_weights, column_weights)
        if isinstance(start, EntropicPlan):
            start = start.g
        solved = _solve(problem, _start(start, problem))
        if config.domain != "kernel" and not bool(solved.error.isfinite().all()):
            check_scores(scores, problem.rows, problem.columns)
    return EntropicPlan(
        marginal_error=solved.error,
        num_iterations=solved.iterations,
        tolerance=config.tolerance,
        scores=problem.scores,
        epsilon=config.epsilon,
        row_max=problem.row_max,
        f_shifted=solved.f_shifted,
        g=solved.g,
        used_log=solved.used_log,
    )


@dataclass(frozen=True, kw_only=True)
class _Solved:
    f_shifted: torch.Tensor
    g: torch.Tensor
    error: torch.Tensor
    iterations: int
    used_log: torch.Tensor


def _start(start: torch.Tensor | None, problem: Problem) -> torch.Tensor | None:
    """A usable warm start: entries that are not finite (empty columns) start at 0."""
    if start is None:
        return None
    if start.shape[-1:] != problem.columns.shape[-1:]:
        raise UserError(f"a start of {list(start.shape)} for {problem.columns.shape[-1]} columns", where="start")
    start = start.detach().to(problem.columns)
    return torch.where(start.isfinite(), start, 0)


def _solve(problem: Problem, start: torch.Tensor | None) -> _Solved:
    if problem.config.domain == "log":
        return _robust(LogDomain(problem, start))
    state = KernelDomain(problem, start)
    sweeps = _iterate(state)
    sums = state.sums()
    sound = state.sound(sums)
    error = torch.where(sound, state.error(sums), torch.nan)
    solved = _Solved(
        f_shifted=state.f_shifted, g=state.g, error=error, iterations=sweeps, used_log=torch.zeros_like(sound)
    )
    if problem.config.domain == "kernel":
        return _or_start(solved, sound, start)
    return solved if bool(sound.all()) else _repair(problem, solved, sound, start)


def _robust(state: LogDomain | MixedDomain) -> _Solved:
    sweeps = _iterate(state)
    error = state.error()
    return _Solved(
        f_shifted=state.f_shifted,
        g=state.g,
        error=error,
        iterations=sweeps,
        used_log=torch.ones_like(error, dtype=torch.bool),
    )


def _iterate(state: KernelDomain | LogDomain | MixedDomain) -> int:
    """Sweep until the error of every problem of the batch is small, or until the end. How many sweeps it took."""
    config = state.problem.config
    for done in range(1, config.iterations + 1):
        state.sweep()
        if config.check_every and done % config.check_every == 0 and done < config.iterations:
            error = state.error()
            # NaN ends it, too: no sweep heals that
            if not bool((error > config.tolerance).any()):
                return done
    return config.iterations


def _or_start(solved: _Solved, sound: torch.Tensor, start: torch.Tensor | None) -> _Solved:
    """Without looking (no wait for a GPU): unsound problems get their start back, so that losses stay finite."""
    before = torch.zeros_like(solved.g) if start is None else start.expand_as(solved.g)
    keep = sound.unsqueeze(-1)
    return _Solved(
        f_shifted=torch.where(keep, solved.f_shifted, 0),
        g=torch.where(keep, solved.g, before),
        error=solved.error,
        iterations=solved.iterations,
        used_log=solved.used_log,
    )


def _repair(problem: Problem, solved: _Solved, sound: torch.Tensor, start: torch.Tensor | None) -> _Solved:
    """Solve the unsound problems of the batch again, with help of the logarithmic domain."""
    if sound.ndim == 0:
        return _robust(MixedDomain(problem, start))
    bad = ~sound
    again = _robust(MixedDomain(problem.take(bad), None if start is None else start.expand_as(problem.columns)[bad]))
    f, g, error = solved.f_shifted.clone(), solved.g.clone(), solved.error.clone()
    f[bad], g[bad], error[bad] = again.f_shifted, again.g, again.error
    sweeps = max(solved.iterations, again.iterations)
    return _Solved(f_shifted=f, g=g, error=error, iterations=sweeps, used_log=bad)
