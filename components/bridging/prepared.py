"""A bridge ready for scores: its rows under both critics, balanced by unpaired rows, and every estimator over it.

Letters: ``N`` rows of A, ``K`` of C, ``M`` of the bridge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.bridging.balance import fit_balance, outer_offsets
from components.bridging.bridge import Bridge
from components.bridging.critic import CriticPair
from components.bridging.estimators import estimate
from components.bridging.fitted import FittedCritics
from components.bridging.scores import BridgeOptions, BridgeScores
from components.embeddings import Embeddings
from components.errors import UserError

OVER_BRIDGE = ("monte-carlo", "smoothed", "gaussian")
"""Estimators that weigh the bridge's items, so that its balance is in their scores."""


@dataclass(frozen=True)
class PreparedBridge:
    """A bridge with what balances it.

    Attributes:
        bridge: rows as the critics' maps give them; ``log_weights`` are both edges' together.
        critics: of both edges.
        weights_ab, weights_bc: log weights of each edge alone; zero if nothing was balanced. [M]
        balanced: whether they were fitted.
    """

    bridge: Bridge
    critics: CriticPair
    weights_ab: np.ndarray
    weights_bc: np.ndarray
    balanced: bool

    def estimate(
        self, method: str, a: np.ndarray, c: np.ndarray, options: BridgeOptions, known: Mapping[str, np.ndarray] = {}
    ) -> BridgeScores:
        """Log ratios of mapped rows [N, d1], [K, d2], one of the estimators of :func:`estimate`.

        ``known``: :meth:`offsets` of ``a`` or of ``c``, if they were asked for before.
        """
        found = estimate(method, a, c, self.bridge, self.critics, options)
        return replace(found, scores=self.corrected(found.scores, found.method, a, c, known))

    def corrected(
        self, scores: np.ndarray, method: str, a: np.ndarray, c: np.ndarray, known: Mapping[str, np.ndarray] = {}
    ) -> np.ndarray:
        """Without the offsets of a and c that a balanced bridge leaves in [N, K]."""
        if not self.balanced or method not in OVER_BRIDGE:
            return scores
        mass = self.bridge.log_mass() - float(np.log(len(self.bridge)))
        of_a, of_c = (known[s] if s in known else self.offsets(s, rows) for s, rows in (("a", a), ("c", c)))
        return scores + mass - of_a[:, None] - of_c

    def take(self, rows: np.ndarray) -> PreparedBridge:
        """Some of its items, e.g. a half or a smaller sample."""
        return PreparedBridge(
            self.bridge.take(rows), self.critics, self.weights_ab[rows], self.weights_bc[rows], self.balanced
        )

    def offsets(self, side: str, rows: np.ndarray) -> np.ndarray:
        """Of mapped rows [N, d] of ``a`` or ``c``. [N]"""
        if side == "a":
            return outer_offsets(self.critics.ab.score, rows, self.bridge.first, self.weights_ab)
        return outer_offsets(self.critics.bc.score, rows, self.bridge.second, self.weights_bc)


def prepare(
    fitted: FittedCritics,
    rows: Mapping[str, Embeddings],
    ids: Sequence[str],
    unpaired: Mapping[str, Sequence[str]] | None,
    *,
    seed: int,
) -> PreparedBridge:
    """The bridge of the items ``ids``.

    Args:
        rows: raw rows of ``a``, ``b_first``, ``b_second``, ``c``.
        unpaired: ids of ``a`` and ``c`` that the balance is fitted on; None leaves the critics as they are.

    Raises:
        UserError: an empty bridge, rows or scores that are not finite, or rows that do not fit the critics.
    """
    first, second = (fitted.rows(name, rows[name].rows(ids)) for name in ("b_first", "b_second"))
    bridge = Bridge(list(ids), first, second, same_space=fitted.critics.same_space)
    weights = [np.zeros(len(bridge)), np.zeros(len(bridge))]
    if unpaired is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # it is told below
            for n, (side, critic, inner) in enumerate(
                (("a", fitted.critics.ab, first), ("c", fitted.critics.bc, second))
            ):
                outer = fitted.rows(side, rows[side].rows(unpaired[side]))
                weights[n] = fit_balance(critic.score, outer, inner, seed=seed).log_weights(inner)
            both = weights[0] + weights[1]
        if not np.isfinite(both).all():
            raise UserError("critics gave scores that are NaN or infinite", do="check embeddings and scales")
        bridge = replace(bridge, log_weights=both)
    return PreparedBridge(bridge, fitted.critics, weights[0], weights[1], unpaired is not None)


def usable(methods: Sequence[str], critics: CriticPair) -> list[str]:
    """Estimators that these critics allow.

    Cosine and l2 critics of one length are compared directly even in two spaces: it shows that nothing is found so.
    """
    ab, bc = critics.ab, critics.bc
    alike = ab.kind == bc.kind and ab.dim == bc.dim
    allowed = {
        "direct": alike and (critics.same_space or ab.kind != "dot"),
        "sphere": alike and critics.same_space and ab.kind == "cosine",
    }
    return [m for m in methods if allowed.get(m, True)]
