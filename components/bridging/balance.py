"""Balance: what makes a critic that was fitted to few pairs a density ratio.

Lemma 1 needs exp f_AB(a, b) = p(b|a) / p(b), whose average over b is 1 for every a, and over a for every b. InfoNCE,
and a calibrated aligner even more, leave offsets of a and of b; those of b sit inside the sum over the bridge and make
hubs of B speak for everything. Sinkhorn's iteration on unpaired rows finds them: exp(f - u(a) - v(b)) averages to 1 on
both sides. -v(b) becomes part of the bridge's log weights, u(a) is taken from the result. No pair is looked at.

Letters: ``N`` outer rows (of A, or of C), ``M`` bridge rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components.alignment.sampling import sample_rows

BANK, BRIDGE_ROWS, SWEEPS = 600, 2000, 30
MAX_SCORES = 4_000_000  # at a time

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Log ratios of outer rows [N, d] and bridge rows [M, d]. [N, M]"""


@dataclass(frozen=True)
class Balance:
    """Fitted offsets of one edge.

    Attributes:
        score: the critic, outer rows first.
        bank: outer rows [n, d]; offsets: u of each [n].
    """

    score: Score
    bank: np.ndarray
    offsets: np.ndarray

    def log_weights(self, bridge: np.ndarray) -> np.ndarray:
        """-v of bridge rows [M, d]; each depends on its own row only, so shards may be done apart. [M]"""
        step = max(1, MAX_SCORES // max(len(self.bank), 1))
        blocks = [bridge[s : s + step] for s in range(0, len(bridge), step)]
        return -np.concatenate([_log_mean(self.score(self.bank, b) - self.offsets[:, None], axis=0) for b in blocks])


def fit_balance(score: Score, outer: np.ndarray, bridge: np.ndarray, *, seed: int) -> Balance:
    """Sinkhorn on seeded samples of unpaired outer rows [N, d] and of the bridge [M, d]."""
    rng = np.random.default_rng(seed)
    bank, sample = sample_rows(outer, BANK, rng), sample_rows(bridge, BRIDGE_ROWS, rng)
    values = score(bank, sample)
    u = np.zeros(len(bank))
    for _ in range(SWEEPS):
        v = _log_mean(values - u[:, None], axis=0)
        u = _log_mean(values - v, axis=1)
    return Balance(score, bank, u)


def outer_offsets(score: Score, outer: np.ndarray, bridge: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    """u of outer rows [N, d] under the bridge's weights [M]: log mean over b of exp(f - v). [N]"""
    step = max(1, MAX_SCORES // max(len(bridge), 1))
    blocks = [outer[s : s + step] for s in range(0, len(outer), step)]
    return np.concatenate([np.zeros(0), *(_log_mean(score(b, bridge) + log_weights, axis=1) for b in blocks)])


def _log_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """log of the mean of exp."""
    from scipy.special import logsumexp

    return np.asarray(logsumexp(values, axis=axis) - np.log(values.shape[axis]))
