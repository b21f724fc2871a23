"""Recall in a gallery of another size than the one that ranks were measured in.

A query's partner comes first among N rows if none of the N - 1 others beats it. The chance p that one random row beats
it differs from pair to pair: p ~ Beta(a, b), learned by maximum likelihood from all ranks (beta-binomial, empirical
Bayes). A pair that ranked r among N0 rows then has p ~ Beta(a + r - 1, b + N0 - r), and within the first k of N rows it
comes with probability P(Binomial(N - 1, p) < k), averaged over p: a beta-binomial distribution function.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from components.alignment.nested import Block, rank_pairs

KS = (1, 5, 10)
MAX_TERMS = 64
USUAL = (0.5, 2.0)  # (a, b) where few pairs say little; their logarithms are held to within a factor e or so
_LOG_BOUNDS = (-5.0, 5.0)


@dataclass(frozen=True)
class BeatenRates:
    """How often a random row beats the true partner, pair by pair, as Beta distributions.

    Attributes:
        prior: (a, b) of Beta(a, b) over all pairs.
        ranks: of the partners, 1 is best; left queries and right queries. [2, P]
        sizes: rows that the ranks were measured among. [2, P]
    """

    prior: tuple[float, float]
    ranks: np.ndarray
    sizes: np.ndarray

    def recall(self, k: int, gallery: tuple[int, int]) -> np.ndarray:
        """Probability that the partner is among the first ``k``, mean of both directions, pair by pair. [P]

        Args:
            k: answers looked at.
            gallery: rows that left queries and right queries are asked among.
        """
        rows = np.array(gallery)[:, None]
        return np.asarray(_within(k, rows, self.prior, self.ranks, self.sizes).mean(axis=0))

    def take(self, pairs: np.ndarray) -> BeatenRates:
        """The same of some pairs [B], the prior learned from them."""
        ranks, sizes = self.ranks[:, pairs], self.sizes[:, pairs]
        return BeatenRates(_prior(ranks, sizes, self.prior), ranks, sizes)


def beaten_rates(blocks: tuple[Block, ...]) -> BeatenRates:
    """Learn the rates from out-of-fold scores; each block has at least two rows a side."""
    ranks = rank_pairs(blocks)
    sizes = np.zeros((2, len(ranks.forth)))
    for b in blocks:
        sizes[:, b.rows] = [[b.scores.shape[1]], [b.scores.shape[0]]]
    found = BeatenRates(USUAL, np.stack([ranks.forth, ranks.back]), sizes)
    return replace(found, prior=_prior(found.ranks, sizes, found.prior))


def _prior(ranks: np.ndarray, sizes: np.ndarray, start: tuple[float, float]) -> tuple[float, float]:
    """(a, b) of the highest likelihood, with a weak normal prior of their logarithms around ``USUAL``.

    The binomial coefficient does not depend on them.
    """
    from scipy.optimize import minimize
    from scipy.special import betaln

    above = np.floor(ranks.reshape(-1)) - 1
    below = sizes.reshape(-1) - 1 - above

    def loss(log_ab: np.ndarray) -> float:
        a, b = np.exp(log_ab)
        unusual = ((log_ab - np.log(USUAL)) ** 2).sum() / 2
        return float(len(above) * betaln(a, b) - betaln(a + above, b + below).sum() + unusual)

    found = minimize(loss, np.log(start), bounds=[_LOG_BOUNDS] * 2, method="L-BFGS-B")
    a, b = np.exp(found.x)
    return float(a), float(b)


def _within(
    k: int, gallery: np.ndarray, prior: tuple[float, float], ranks: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """P(X < k) for X ~ BetaBinomial(gallery - 1, a + rank - 1, b + size - rank), of the shape of ``ranks``."""
    from scipy.special import betainc, betaln, gammaln

    a, b, others = prior[0] + ranks - 1, prior[1] + sizes - ranks, np.maximum(gallery - 1.0, 1.0)
    if k > MAX_TERMS:  # many rows: the binomial is narrow beside the Beta distribution
        return np.asarray(betainc(a, b, np.minimum((k - 0.5) / others, 1.0)))
    total = np.zeros(ranks.shape)
    for x in range(k):
        rest = np.maximum(others - x, 0)
        choose = gammaln(others + 1) - gammaln(x + 1) - gammaln(rest + 1)
        total += np.where(others >= x, np.exp(choose + betaln(x + a, rest + b) - betaln(a, b)), 0.0)
    return np.asarray(np.minimum(total, 1.0))


def recall_in_part(rank: np.ndarray, size: int, gallery: int, k: int = 1) -> np.ndarray:
    """Probability that the partner is among the first ``k`` in a random part of the gallery that it was ranked in. [T]

    Exact (hypergeometric); averaged ties go to both of their ranks.

    Args:
        rank: of partners, 1 is best. [T]
        size: rows of the part, the partner's among them.
        gallery: rows that the ranks were measured among.
    """
    from scipy.stats import hypergeom

    if not 1 <= size <= gallery:
        raise ValueError(f"a part of {size} rows of a gallery of {gallery}")
    both = [hypergeom.cdf(k - 1, gallery - 1, edge(rank) - 1, size - 1) for edge in (np.floor, np.ceil)]
    return np.asarray(np.mean(both, axis=0))
