"""Maximum mean discrepancy: the naive sum, zero for one distribution, large for two, batched like one by one."""

from __future__ import annotations

import math

import pytest
import torch

from components.alignment.mmd import mmd2


def _cloud(rows: int, dim: int = 3, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    return shift + torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _naive(x: torch.Tensor, y: torch.Tensor, unbiased: bool) -> float:
    joint = torch.cat([x, y]).tolist()
    distance = [[sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) for q in joint] for p in joint]
    n, total = len(x), len(joint)
    scale = sum(map(sum, distance)) / (total * (total - 1))

    def kernel(i: int, j: int) -> float:
        return sum(math.exp(-distance[i][j] / (f * scale)) for f in (0.5, 1.0, 2.0))

    def mean(rows: range, cols: range, skip: bool) -> float:
        values = [kernel(i, j) for i in rows for j in cols if not (skip and i == j)]
        return sum(values) / len(values)

    left, right = range(n), range(n, total)
    return mean(left, left, unbiased) + mean(right, right, unbiased) - 2 * mean(left, right, False)


@pytest.mark.parametrize("unbiased", [False, True])
def test_is_the_naive_double_sum(unbiased: bool) -> None:
    x, y = _cloud(9), _cloud(6, seed=1, shift=0.7)
    assert float(mmd2(x, y, unbiased=unbiased)) == pytest.approx(_naive(x, y, unbiased), rel=1e-9)


def test_is_zero_for_equal_clouds_and_grows_with_their_shift() -> None:
    x = _cloud(200)
    assert float(mmd2(x, x.flip(0))) == pytest.approx(0.0, abs=1e-12)
    shifted = [float(mmd2(x, _cloud(150, seed=1, shift=s))) for s in (0.0, 0.5, 1.0, 2.0)]
    assert shifted == sorted(shifted) and shifted[2] > 10 * shifted[0]


def test_unbiased_form_has_mean_zero_for_two_samples_of_one_distribution() -> None:
    values = torch.stack([mmd2(_cloud(30, seed=2 * s), _cloud(30, seed=2 * s + 1), unbiased=True) for s in range(100)])
    error = float(values.std()) / 10
    assert abs(float(values.mean())) < 3.5 * error
    assert float(mmd2(_cloud(30), _cloud(30, seed=1))) > 5 * error  # which the biased one has not


def test_units_do_not_matter_and_fits_do_not_mix() -> None:
    x, y = torch.stack([_cloud(20), _cloud(20, seed=1)]), torch.stack([_cloud(15, seed=2), _cloud(15, seed=3, shift=1)])
    together = mmd2(x, y)
    assert together.tolist() == pytest.approx([float(mmd2(a, b)) for a, b in zip(x, y, strict=True)])
    assert mmd2(50.0 * x, 50.0 * y).tolist() == pytest.approx(together.tolist())
