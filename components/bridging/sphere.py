"""Closed form for cosine critics in one space whose bridge is uniform on the sphere (LUCL, Lemma 2, unequal scales).

E_b exp(s₁a·b + s₂b·c) = Γ(d/2) (2/κ)^ν I_ν(κ), ν = d/2 − 1, κ = ‖s₁a + s₂c‖: the inverse of the von Mises-Fisher
normaliser (Mardia and Jupp 2000, §9.3.2). It increases with a·c.
"""

from __future__ import annotations

import numpy as np

from components.bridging.bridge import Bridge
from components.bridging.critic import CriticPair
from components.bridging.direct import without_sampling
from components.bridging.scores import BridgeOptions, BridgeScores
from components.errors import UserError

_TINY = 1e-280


def sphere(
    queries: np.ndarray, candidates: np.ndarray, bridge: Bridge, critics: CriticPair, options: BridgeOptions
) -> BridgeScores:
    """Scores by the formula; the bridge only tells how far it is from uniform.

    Raises:
        UserError: critics other than cosine, or of different dimensions; fewer than 2 dimensions.
    """
    ab, bc = critics.ab, critics.bc
    if (ab.kind, bc.kind) != ("cosine", "cosine") or ab.dim != bc.dim or ab.dim < 2:
        raise UserError(
            f"the sphere's closed form is for cosine critics of one space, not {ab.kind} of {ab.dim} and {bc.kind} of "
            f"{bc.dim} dimensions",
            do="use gaussian, smoothed or monte-carlo",
        )
    a, c = ab.rows(queries, "the queries"), bc.rows(candidates, "the candidates")
    cosine = np.clip(a @ c.T, -1, 1)
    square = (ab.scale - bc.scale) ** 2 + 2 * ab.scale * bc.scale * (1 + cosine)
    scores = log_mean_exp_on_sphere(np.sqrt(square), ab.dim)
    return without_sampling("sphere", scores, bridge, critics)


def log_mean_exp_on_sphere(kappa: np.ndarray, dim: int) -> np.ndarray:
    """log E exp(κ·b₁) for b uniform on the unit sphere of ``dim`` dimensions; finite for any κ >= 0, of its shape."""
    from scipy.special import gammaln, ive

    nu, k = dim / 2 - 1, np.asarray(kappa, dtype=np.float64)
    scaled, safe = ive(nu, k), np.maximum(k, _TINY)
    good = scaled > _TINY
    with np.errstate(divide="ignore"):
        log_bessel = np.where(good, np.log(np.where(good, scaled, 1)) + k, _log_bessel_uniform(nu, safe))
    value = gammaln(dim / 2) + nu * (np.log(2) - np.log(safe)) + log_bessel
    return np.asarray(np.where(k**2 < 1e-12 * dim, k**2 / (2 * dim), value))


def _log_bessel_uniform(nu: float, k: np.ndarray) -> np.ndarray:
    """log I_ν(k) for large ν, where I itself underflows: Olver's uniform expansion (NIST DLMF 10.41.3), four terms."""
    nu = max(nu, 0.5)  # smaller orders never underflow; their value is not used
    z = k / nu
    root = np.sqrt(1 + z**2)
    t = 1 / root
    eta = root + np.log(z) - np.log1p(root)
    u1 = (3 * t - 5 * t**3) / 24
    u2 = (81 * t**2 - 462 * t**4 + 385 * t**6) / 1152
    u3 = (30375 * t**3 - 369603 * t**5 + 765765 * t**7 - 425425 * t**9) / 414720
    series = u1 / nu + u2 / nu**2 + u3 / nu**3
    return np.asarray(nu * eta - 0.5 * np.log(2 * np.pi * nu) - 0.5 * np.log(root) + np.log1p(series))
