"""Sinkhorn: POT agrees, marginals, limits of the unbalanced form, number formats, starts, batches, bad input."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.transport.config import SinkhornConfig
from components.transport.sinkhorn import sinkhorn

FIXED = {"check_every": 0}
EXACT = {"iterations": 5000, "tolerance": 1e-13}


def cosines(n: int, m: int, seed: int, dim: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(k, dim, dtype=torch.float64, generator=generator) for k in (n, m))
    return torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(y, dim=1).T


def weights(n: int, seed: int) -> torch.Tensor:
    w = 0.1 + torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return w / w.sum()


sizes = st.integers(2, 40)


@settings(max_examples=40, deadline=None)
@given(n=sizes, m=sizes, seed=st.integers(0, 10**6), epsilon=st.sampled_from([0.02, 0.05, 0.1, 0.5, 1.0]))
@pytest.mark.parametrize("domain", ["auto", "log"])
def test_pot_gives_the_same_balanced_plan(domain: str, n: int, m: int, seed: int, epsilon: float) -> None:
    scores, a, b = cosines(n, m, seed), weights(n, seed + 1), weights(m, seed + 2)
    config = SinkhornConfig(epsilon=epsilon, iterations=60, domain=domain, **FIXED)  # type: ignore[arg-type]
    plan = sinkhorn(scores, config=config, row_weights=a, column_weights=b)
    # POT's sweep begins with the columns: transposed, it is ours
    oracle = ot.bregman.sinkhorn_log(b, a, -scores.T, epsilon, numItermax=60, stopThr=0, warn=False).T
    assert (plan.plan - oracle).abs().sum() < 1e-6
    assert plan.num_iterations == 60


@settings(max_examples=40, deadline=None)
@given(n=sizes, m=sizes, seed=st.integers(0, 10**6), rho=st.sampled_from([(0.05, 0.05), (1.0, 1.0), (0.2, 2.0)]))
@pytest.mark.parametrize("domain", ["auto", "log"])
def test_pot_gives_the_same_unbalanced_plan(domain: str, n: int, m: int, seed: int, rho: tuple[float, float]) -> None:
    scores, a, b = cosines(n, m, seed), weights(n, seed + 1), weights(m, seed + 2)
    config = SinkhornConfig(epsilon=0.1, rho_rows=rho[0], rho_columns=rho[1], domain=domain, **EXACT)  # type: ignore[arg-type]
    plan = sinkhorn(scores, config=config, row_weights=a, column_weights=b)
    oracle = ot.unbalanced.sinkhorn_unbalanced(
        a, b, -scores, 0.1, rho, method="sinkhorn", reg_type="entropy", numItermax=5000, stopThr=1e-15
    )
    assert bool(plan.converged)
    torch.testing.assert_close(plan.plan, oracle, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.01, 0.005])
@pytest.mark.parametrize("dim", [4, 16])
def test_float32_agrees_with_float64(epsilon: float, dim: int) -> None:
    scores = cosines(120, 90, 3, dim).float()
    config = SinkhornConfig(epsilon=epsilon, iterations=300, **FIXED)  # type: ignore[arg-type]
    one, two = sinkhorn(scores, config=config), sinkhorn(scores.double(), config=config)
    assert (one.plan - two.plan).abs().sum() < 5e-6
    assert one.plan.dtype == torch.float32


def test_wide_scores_take_the_logarithmic_domain_and_are_right() -> None:
    scores = 3 * cosines(80, 80, 0, 3).float()
    config = SinkhornConfig(epsilon=0.01, iterations=400, **FIXED)  # type: ignore[arg-type]
    plan = sinkhorn(scores, config=config)
    assert bool(plan.used_log)
    oracle = ot.bregman.sinkhorn_log([], [], -scores.T.double().numpy(), 0.01, numItermax=400, stopThr=0, warn=False)
    assert np.abs(plan.plan.double().numpy() - oracle.T).sum() < 1e-5


def test_marginals_and_mass() -> None:
    a, b = weights(30, 1), weights(50, 2)
    plan = sinkhorn(cosines(30, 50, 0), config=SinkhornConfig(**EXACT), row_weights=a, column_weights=b)  # type: ignore[arg-type]
    torch.testing.assert_close(plan.plan.sum(1), a)
    torch.testing.assert_close(plan.plan.sum(0), b)
    torch.testing.assert_close(plan.log_plan.exp(), plan.plan)
    scores = plan.scores / plan.epsilon + plan.f[:, None] + plan.g
    torch.testing.assert_close(scores.exp(), plan.plan)


def test_high_prices_give_the_balanced_plan_and_low_ones_the_row_softmax() -> None:
    scores = cosines(20, 20, 0)
    balanced = sinkhorn(scores, config=SinkhornConfig(**EXACT)).plan  # type: ignore[arg-type]
    distances = []
    for rho in (1.0, 10.0, 1e3, 1e6):
        plan = sinkhorn(scores, config=SinkhornConfig(rho_rows=rho, rho_columns=rho, **EXACT))  # type: ignore[arg-type]
        assert plan.num_iterations <= 200  # not a multiple of rho/epsilon
        distances.append(float((plan.plan - balanced).abs().sum()))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-6
    rows = sinkhorn(scores, config=SinkhornConfig(rho_columns=1e-9, **EXACT)).plan  # type: ignore[arg-type]
    torch.testing.assert_close(rows, (scores / 0.1).softmax(1) / 20, rtol=1e-6, atol=0)
    kernel = sinkhorn(scores, config=SinkhornConfig(rho_rows=1e-9, rho_columns=1e-9, **EXACT)).plan  # type: ignore[arg-type]
    torch.testing.assert_close(kernel, (scores / 0.1).exp(), rtol=1e-6, atol=0)


def test_a_constant_on_rows_and_columns_changes_no_balanced_plan() -> None:
    scores = cosines(12, 9, 0)
    moved = scores + torch.arange(12.0)[:, None] / 7 - torch.arange(9.0) / 5
    one, two = (sinkhorn(s, config=SinkhornConfig(**EXACT)) for s in (scores, moved))  # type: ignore[arg-type]
    torch.testing.assert_close(one.plan, two.plan)
    torch.testing.assert_close(sinkhorn(scores + 5, config=SinkhornConfig(**EXACT)).column_bias(), one.column_bias())  # type: ignore[arg-type]


def test_permuted_scores_give_the_permuted_plan() -> None:
    scores, rows, columns = cosines(12, 9, 0), torch.randperm(12), torch.randperm(9)
    config = SinkhornConfig(rho_rows=0.5, rho_columns=2.0)
    one, two = sinkhorn(scores, config=config), sinkhorn(scores[rows][:, columns], config=config)
    torch.testing.assert_close(one.plan[rows][:, columns], two.plan)


@pytest.mark.parametrize("rho", [None, 0.5])
@pytest.mark.parametrize("domain", ["auto", "kernel", "log"])
def test_a_batch_gives_what_each_gives_alone(rho: float | None, domain: str) -> None:
    scores = torch.stack([cosines(20, 30, 0), 40 * cosines(20, 30, 1), cosines(20, 30, 2)]).float()
    config = SinkhornConfig(epsilon=0.1, rho_rows=rho, rho_columns=rho, iterations=50, domain=domain, **FIXED)  # type: ignore[arg-type]
    together = sinkhorn(scores[None], config=config)
    assert together.plan.shape == (1, 3, 20, 30)
    for n in range(3):
        alone = sinkhorn(scores[n], config=config)
        torch.testing.assert_close(together.plan[0, n], alone.plan, rtol=2e-4, atol=1e-9)
        assert bool(together.used_log[0, n]) == bool(alone.used_log)


@pytest.mark.parametrize("rho", [None, 0.3])
@pytest.mark.parametrize("domain", ["auto", "log"])
def test_a_warm_start_goes_on_where_it_stopped(rho: float | None, domain: str) -> None:
    scores = cosines(25, 25, 0)
    config = {"epsilon": 0.05, "rho_rows": rho, "rho_columns": rho, "domain": domain, **FIXED}
    whole = sinkhorn(scores, config=SinkhornConfig(iterations=30, **config))  # type: ignore[arg-type]
    half = sinkhorn(scores, config=SinkhornConfig(iterations=15, **config))  # type: ignore[arg-type]
    rest = sinkhorn(scores, config=SinkhornConfig(iterations=15, **config), start=half)  # type: ignore[arg-type]
    torch.testing.assert_close(rest.plan, whole.plan, rtol=1e-9, atol=0)


def test_looking_at_the_error_ends_the_sweeps_and_too_few_of_them_are_a_status() -> None:
    scores = cosines(40, 40, 0)
    early = sinkhorn(scores, config=SinkhornConfig(epsilon=0.2, iterations=500))
    assert bool(early.converged) and early.num_iterations < 100
    late = sinkhorn(scores, config=SinkhornConfig(epsilon=0.005, iterations=2))
    assert not bool(late.converged) and bool(late.plan.isfinite().all())


@pytest.mark.parametrize("rho", [None, 0.5])
@pytest.mark.parametrize("domain", ["auto", "log"])
def test_items_without_weight_and_masked_pairs_get_no_mass(rho: float | None, domain: str) -> None:
    scores = cosines(6, 5, 0)
    scores[2] = -torch.inf
    scores[0, 0] = -torch.inf
    a, b = torch.tensor([1.0, 1, 0, 1, 1, 1]) / 5, torch.tensor([1.0, 1, 1, 0, 1]) / 4
    config = SinkhornConfig(rho_rows=rho, rho_columns=rho, domain=domain)
    plan = sinkhorn(scores, config=config, row_weights=a, column_weights=b)
    assert bool(plan.converged)
    assert float(plan.plan[2].sum() + plan.plan[:, 3].sum() + plan.plan[0, 0]) == 0


def test_the_kernel_without_fallback_keeps_its_start_and_says_so() -> None:
    scores = 50 * cosines(30, 30, 0, 3).float()
    plan = sinkhorn(scores, config=SinkhornConfig(epsilon=0.01, domain="kernel", **FIXED))  # type: ignore[arg-type]
    assert not bool(plan.converged)
    assert bool((plan.g == 0).all())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"rho_rows": 0.0}, "rho_rows"),
        ({"rho_columns": -2.0}, "rho_columns"),
        ({"iterations": 0}, "iterations"),
        ({"domain": "dual"}, "domain"),
    ],
)
def test_impossible_settings(change: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        SinkhornConfig(**change)  # type: ignore[arg-type]


def test_impossible_scores_and_weights() -> None:
    config, scores = SinkhornConfig(), cosines(4, 4, 0)
    broken, masked = scores.clone(), scores.clone()
    broken[1, 2], masked[:, 1] = torch.nan, -torch.inf
    for bad, said in ((broken, "NaN"), (masked, "column"), (scores[:0], "shape"), (scores[0], "shape")):
        with pytest.raises(UserError, match=said):
            sinkhorn(bad, config=config)
    ones = torch.ones(4)
    for a, said in ((ones[:3], "weights"), (ones * torch.nan, "finite"), (-ones, "negative"), (3 * ones, "masses")):
        with pytest.raises(UserError, match=said):
            sinkhorn(scores, config=config, row_weights=a, column_weights=ones)
