"""Maximum mean discrepancy between two clouds (Gretton et al., JMLR 13, 2012), batched over independent fits.

Kernel: sum over factors f of exp(-d^2 / (f s)), s the mean squared distance of the joint cloud, held constant.
Letters: ``E`` fits (may be left out), ``N, M`` rows, ``R`` dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

BANDWIDTHS = (0.5, 1.0, 2.0)


def mmd2(
    x: torch.Tensor, y: torch.Tensor, *, bandwidths: Sequence[float] = BANDWIDTHS, unbiased: bool = False
) -> torch.Tensor:
    """Squared MMD of x [E, N, R] and y [E, M, R]; [E]. Without E a scalar.

    Biased (V-statistic, eq. 5): at least 0, exactly 0 for equal clouds; what SUE minimises. Unbiased (U-statistic,
    eq. 3): mean 0 for two samples of one distribution, so it may be negative; needs N, M >= 2.
    """
    xx, yy, xy = squared_distances(x, x), squared_distances(y, y), squared_distances(x, y)
    scale = mean_squared_distance(xx, yy, xy)
    total = torch.zeros(x.shape[:-2], dtype=x.dtype, device=x.device)
    for factor in bandwidths:
        width = (factor * scale)[..., None, None]
        kxx, kyy, kxy = (torch.exp(-d / width) for d in (xx, yy, xy))
        total = total + _within(kxx, unbiased) + _within(kyy, unbiased) - 2.0 * kxy.mean(dim=(-2, -1))
    return total


def squared_distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """||x_n - y_m||^2, never negative. [E, N, R], [E, M, R] -> [E, N, M]"""
    product = x @ y.transpose(-1, -2)
    norms = x.square().sum(-1)[..., :, None] + y.square().sum(-1)[..., None, :]
    return (norms - 2.0 * product).clamp_min(0.0)


@torch.no_grad()
def mean_squared_distance(xx: torch.Tensor, yy: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """Over all pairs of different rows of the joint cloud, from its blocks of squared distances. [E]"""
    n, m = xx.shape[-1], yy.shape[-1]
    total = xx.sum(dim=(-2, -1)) + yy.sum(dim=(-2, -1)) + 2.0 * xy.sum(dim=(-2, -1))
    return (total / ((n + m) * (n + m - 1))).clamp_min(1e-12)


def _within(kernel: torch.Tensor, unbiased: bool) -> torch.Tensor:
    if not unbiased:
        return kernel.mean(dim=(-2, -1))
    n = kernel.shape[-1]
    diagonal = kernel.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (kernel.sum(dim=(-2, -1)) - diagonal) / (n * (n - 1))
