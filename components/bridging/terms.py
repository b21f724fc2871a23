"""The integrand of the bridge in factored form, plain or smoothed.

log r(a, c) = log E_b exp(f_AB(a, b) + f_BC(b, c)) (LUCL, Lemma 1). With x = [b in space 1; b in space 2] every critic
here is gᵀx − ½xᵀDx plus terms of a or c alone: g = [s₁a; s₂c], D = s·I for ``l2`` and 0 for ``cosine`` and ``dot``.
The bridge is a mixture of N(x̃_m, H), x̃_m = μ + √(1 − h²)(x_m − μ), H = h²S, which keeps mean and covariance S:
h² = 0 is the sample itself (Monte Carlo), h² = 1 the Gaussian closed form. Each component integrates to

    |I + HD|^-½ exp(½gᵀAHg + gᵀAx̃ − ½x̃ᵀDAx̃),  A = (I + HD)⁻¹,

so that for all of them  log r = row_a + column_c + pair_ac + logsumexp_m(left_a·first_m + right_c·second_m + bias_m).
Letters: ``N`` queries, ``K`` candidates, ``M`` bridge items, ``D1, D2`` dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.bridging.bridge import Bridge, Moments, joined_chunks
from components.bridging.critic import Critic, CriticPair
from components.errors import UserError


@dataclass(frozen=True, eq=False)
class Terms:
    """What the log-sum-exp over the bridge needs of queries and candidates; the bridge comes in parts.

    Attributes:
        left, right: [N, D1], [K, D2].
        row, column: added to the log-sum-exp. [N], [K]
        pair: None, or ``(P, Q)`` with P Qᵀ added, [N, D2], [K, D2].
        critics: of both sides.
        shift: subtracted from the joined rows of ``l2`` critics. [D1 + D2]
        bandwidth: h².
        mean, transform, curvature: μ, A (None for the identity) and the DA of the module's formula, at shifted rows.
    """

    left: np.ndarray
    right: np.ndarray
    row: np.ndarray
    column: np.ndarray
    pair: tuple[np.ndarray, np.ndarray] | None
    critics: CriticPair
    shift: np.ndarray
    bandwidth: float
    mean: np.ndarray
    transform: np.ndarray | None
    curvature: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.left), len(self.right)

    @property
    def num_bytes(self) -> int:
        pair = () if self.pair is None else self.pair
        return sum(x.nbytes for x in (self.left, self.right, *pair, self.curvature)) + self.curvature.nbytes

    def take(self, rows: slice) -> Terms:
        """The same for some of the queries."""
        pair = None if self.pair is None else (self.pair[0][rows], self.pair[1])
        changed = {"left": self.left[rows], "row": self.row[rows], "pair": pair}
        return Terms(**{**vars(self), **changed})

    def chunk(self, bridge: Bridge) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``first`` [M, D1], ``second`` [M, D2] and ``bias`` [M] of a part of the bridge that fits in memory."""
        x, log_weights = next(joined_chunks(bridge, self.critics, len(bridge)))
        x -= self.shift
        if self.bandwidth:
            x -= self.mean
            x *= np.sqrt(1 - self.bandwidth)
            x += self.mean
        return self._factors(x, log_weights)

    def at_mean(self) -> tuple[np.ndarray, np.ndarray, float]:
        """The same [D1], [D2] and number of the one component at the mean, which h² = 1 makes of every item."""
        first, second, bias = self._factors(self.mean[None].copy(), np.zeros(1))
        return first[0], second[0], float(bias[0])

    def _factors(self, x: np.ndarray, log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.transform is None:
            bias = log_weights - 0.5 * (x**2) @ np.diagonal(self.curvature)
        else:
            bias = log_weights - 0.5 * ((x @ self.curvature) * x).sum(axis=1)
            x = x @ self.transform.T
        return x[:, : self.left.shape[1]], x[:, self.left.shape[1] :], bias

    def pair_term(self) -> np.ndarray | float:
        """[N, K], or 0."""
        return 0.0 if self.pair is None else self.pair[0] @ self.pair[1].T


def make_terms(
    queries: np.ndarray,
    candidates: np.ndarray,
    critics: CriticPair,
    *,
    bandwidth: float = 0.0,
    bridge_moments: Moments | None = None,
) -> Terms:
    """The terms of ``queries`` [N, D1] and ``candidates`` [K, D2].

    Args:
        bandwidth: h² in 0..1.
        bridge_moments: of the whole bridge, whichever part is summed where; needed for h² > 0.

    Raises:
        UserError: no rows, rows that do not fit the critics or are not finite, an impossible bandwidth.
    """
    if not 0 <= bandwidth <= 1:
        raise UserError(f"{bandwidth} is not allowed", where="bandwidth", do="give h² between 0 and 1")
    if bandwidth and bridge_moments is None:
        raise ValueError("a smoothed bridge needs the bridge's moments")
    for name, rows in (("queries", queries), ("candidates", candidates)):
        if len(rows) == 0:
            raise UserError(f"there are no {name}", do="give at least one")
    a, c = critics.ab.rows(queries, "the queries"), critics.bc.rows(candidates, "the candidates")
    shift = np.concatenate([_shift(critics.ab, a), _shift(critics.bc, c)])
    d1, dim = a.shape[1], len(shift)
    a, c = a - shift[:d1], c - shift[d1:]
    scales = np.repeat([_quadratic(critics.ab), _quadratic(critics.bc)], [d1, dim - d1])
    left, right = critics.ab.scale * a, critics.bc.scale * c
    row, column = -0.5 * _quadratic(critics.ab) * (a**2).sum(1), -0.5 * _quadratic(critics.bc) * (c**2).sum(1)
    if not bandwidth or bridge_moments is None:
        return Terms(left, right, row, column, None, critics, shift, 0.0, np.zeros(dim), None, np.diag(scales))
    h = bandwidth * bridge_moments.covariance
    system = np.eye(dim) + h * scales  # I + HD
    a_matrix = np.linalg.inv(system)
    spread = a_matrix @ h
    spread = (spread + spread.T) / 2
    curvature = scales[:, None] * a_matrix
    row = row + 0.5 * ((left @ spread[:d1, :d1]) * left).sum(1) - 0.5 * np.linalg.slogdet(system)[1]
    column = column + 0.5 * ((right @ spread[d1:, d1:]) * right).sum(1)
    pair = (left @ spread[:d1, d1:], right)
    mean, curvature = bridge_moments.mean - shift, (curvature + curvature.T) / 2
    return Terms(left, right, row, column, pair, critics, shift, bandwidth, mean, a_matrix, curvature)


def _quadratic(critic: Critic) -> float:
    return critic.scale if critic.kind == "l2" else 0.0


def _shift(critic: Critic, rows: np.ndarray) -> np.ndarray:
    """Distances do not change with the origin, rounding does: it is put amid the rows."""
    return rows.mean(axis=0) if critic.kind == "l2" else np.zeros(rows.shape[1])
