"""Teacher-plan refinement: closed-form gradients, a target that is reached stays, the gate, workers that agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from few_pair_worlds import SmallWorld
from two_workers import run_two

from components.alignment.nested import tune
from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_cca import RidgeCCA
from components.alignment.teacher_plan import Stage, TeacherPlan, choose_teacher
from components.alignment.teacher_plan_training import Run, divergence, train_heads
from components.alignment.tuned import make_ground
from components.errors import UserError
from components.training import LocalSession
from components.transport.config import SinkhornConfig
from components.transport.sinkhorn import sinkhorn

QUICK = TeacherPlan(steps=(5,), alphas=(1.0,), block=60)
WORLD = SmallWorld("linear", pairs=20)
ROWS = (WORLD.left, WORLD.right)


def _unrolled(scores: torch.Tensor, target: torch.Tensor, epsilon: float, rho: float | None) -> torch.Tensor:
    """-Σ T log P by automatic differentiation through every sweep."""
    logits, n, m = scores / epsilon, *scores.shape
    damping = 1.0 if rho is None else rho / (rho + epsilon)
    f, g = torch.zeros(n, dtype=scores.dtype), torch.zeros(m, dtype=scores.dtype)
    for _ in range(2000):
        f = damping * (-np.log(n) - (logits + g).logsumexp(1))
        g = damping * (-np.log(m) - (logits + f[:, None]).logsumexp(0))
    return -(target * (logits + f[:, None] + g)).sum()


@pytest.mark.parametrize("rho", [None, 0.2])
def test_gradient_is_that_of_the_converged_loss(rho: float | None) -> None:
    rng = torch.Generator().manual_seed(0)
    scores, other = (torch.randn(7, 6, dtype=torch.float64, generator=rng) / 3 for _ in range(2))
    config = SinkhornConfig(epsilon=0.3, rho_rows=rho, rho_columns=rho, iterations=5000, tolerance=1e-14)
    target = sinkhorn(other, config=replace(config, epsilon=0.1)).plan
    gradients = []
    for loss in (
        lambda s: divergence(s[None, None], target, config).sum(),
        lambda s: _unrolled(s, target, 0.3, rho),
    ):
        leaf = scores.clone().requires_grad_()
        loss(leaf).backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-9)
    if rho is None:
        plan = sinkhorn(scores, config=config).plan
        torch.testing.assert_close(gradients[0], (plan - target) / 0.3, rtol=0, atol=1e-9)


def test_a_plan_that_is_the_target_already_has_no_gradient() -> None:
    scores = torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    config = SinkhornConfig(epsilon=0.5, iterations=5000, tolerance=1e-14)
    leaf = scores.clone().requires_grad_()
    divergence(leaf, sinkhorn(scores, config=config).plan[0], config).sum().backward()
    assert leaf.grad is not None and float(leaf.grad.abs().max()) < 1e-9


def _teacher(pairs: Pairs = WORLD.pairs) -> Any:
    return choose_teacher(("csa",), make_ground(*ROWS, seed=0), pairs, 0)


def test_heads_start_from_the_csa_map_and_alpha_zero_never_looks_at_unpaired_rows() -> None:
    teacher = _teacher()
    still = train_heads(replace(QUICK, lr=1e-12), teacher, ROWS, WORLD.pairs, LocalSession())
    for fitted in still.values():
        new = WORLD.new
        np.testing.assert_allclose(
            fitted.score(new.left, new.right), teacher.start.score(new.left, new.right), atol=1e-4
        )
    other = (ROWS[0][::-1].copy(), ROWS[1][:50])
    a, b = (train_heads(QUICK, teacher, rows, WORLD.pairs, LocalSession()) for rows in (ROWS, other))
    for stage, same in ((Stage(0.0, 5), True), (Stage(1.0, 5), False)):
        equal = np.allclose(a[stage].score(*_new()), b[stage].score(*_new()), atol=1e-6)
        assert equal == same


def _new() -> tuple[np.ndarray, np.ndarray]:
    return WORLD.new.left, WORLD.new.right


def test_training_brings_the_plans_together() -> None:
    config = replace(QUICK, block=100, alphas=(100.0,), lr=0.003)
    run = Run(config, _teacher(), ROWS, WORLD.pairs, LocalSession())
    before = float(run.plan_loss(1, range(2)).detach().sum())
    for step in range(1, 31):
        run.step(step)
    assert float(run.plan_loss(1, range(2)).detach().sum()) < before


def test_two_workers_end_like_one() -> None:
    config = replace(QUICK, blocks=3, alphas=(0.5, 2.0))
    alone = train_heads(config, _teacher(), ROWS, WORLD.pairs, LocalSession())
    together = run_two(lambda session: train_heads(config, _teacher(), ROWS, WORLD.pairs, session))
    for worker in together:
        for stage, fitted in worker.items():
            np.testing.assert_allclose(fitted.score(*_new()), alone[stage].score(*_new()), atol=2e-4)


def test_the_teacher_is_the_first_candidate_and_noise_stays_at_chance() -> None:
    config = TeacherPlan(steps=(0,), teachers=("csa",))
    assert config.grid == (Stage(0.0, 0),)
    fitted = config.fit(*ROWS, WORLD.pairs)
    csa = RidgeCCA(gamma=None).fit(*ROWS, WORLD.pairs)
    assert WORLD.foscttm(fitted) == pytest.approx(WORLD.foscttm(csa), abs=0.01)
    assert TeacherPlan().grid[:2] == (Stage(0.0, 0), Stage(0.0, 15))
    noise = SmallWorld("noise")
    assert abs(noise.foscttm(QUICK.fit(noise.left, noise.right, noise.pairs)) - 0.5) < 0.1


def test_refinement_is_kept_only_where_held_out_pairs_improve() -> None:
    fitted = QUICK.fit(*ROWS, WORLD.pairs)
    table = fitted.diagnostics["cv"]
    chosen = max(table, key=lambda row: round(row["score"], 9))
    assert (fitted.diagnostics["alpha"], fitted.diagnostics["steps"]) == (chosen["alpha"], chosen["steps"])
    assert [(r["alpha"], r["steps"]) for r in table] == [(0.0, 0), (0.0, 5), (1.0, 5)]
    assert fitted.diagnostics["teacher"] in {"csa", "kernel-ridge"}


def test_without_unpaired_rows_the_teacher_is_left_alone() -> None:
    fitted = QUICK.fit(ROWS[0][:0], ROWS[1], WORLD.pairs)
    assert fitted.diagnostics["steps"] == 0 and WORLD.foscttm(fitted) < 0.1


def test_a_session_and_a_plain_fit_agree() -> None:
    plain: Alignment = QUICK.fit(*ROWS, WORLD.pairs)
    in_session = QUICK.fit_in(LocalSession(), *ROWS, WORLD.pairs)
    np.testing.assert_array_equal(plain.score(*_new()), in_session.score(*_new()))
    ground = make_ground(*ROWS, seed=0)
    np.testing.assert_array_equal(
        tune(QUICK.family, ground, WORLD.pairs, seed=0).alignment.score(*_new()), plain.score(*_new())
    )


@pytest.mark.parametrize("bad", [{"alphas": (-1.0,)}, {"teachers": ("sue",)}, {"block": 1}, {"rho": 0.0}, {"dim": 0}])
def test_settings_are_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(bad))):
        TeacherPlan(**bad)
