"""RINCE (Chuang et al., "Robust contrastive learning against noisy views", CVPR 2022).

mean_i [−e^{q L_{i,t(i)}}/q + e^{q (log λ + logsumexp_j L_ij)}/q] with L = (cosine − 1)/ε, so that the kernel lies in
(0, 1]: the loss is not invariant to shifts. q → 0 gives InfoNCE + log λ, q = 1 the symmetric, noise-robust end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch

from components.checks import check_range
from components.objectives.comparison import Comparison, Contrast, compare
from components.objectives.protocol import Criterion, GlobalBatch, Scored


@dataclass(frozen=True, kw_only=True)
class RINCE(Contrast):
    """Config of RINCE.

    Attributes:
        q: in (0, 1], from InfoNCE-like to symmetric.
        weight: λ, of everything against the positive.
    """

    q: float = 0.6
    weight: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("q", self.q, 0, 1, above=True)
        check_range("weight", self.weight, 0, above=True)

    def build(self, *, dim: int, num_classes: int = 0) -> Criterion:
        return _RINCE(self)


class _RINCE(Criterion):
    config: RINCE

    def forward(self, batch: GlobalBatch) -> Scored:
        pairs = compare(batch, self.config.among)
        loss = rince(pairs, (pairs.scores - 1) / self.config.epsilon, self.config.q, self.config.weight)
        return Scored(loss=loss, metrics={"epsilon": self.config.epsilon})


def rince(
    pairs: Comparison,
    logits: torch.Tensor,
    q: float,
    weight: float,
    columns: Callable[[], torch.Tensor] | None = None,
    *,
    damping: float = 1.0,
) -> torch.Tensor:
    """RINCE of ``logits`` [N, N], :meth:`Comparison.both_ways`; ``damping`` multiplies the logsumexp."""
    return pairs.both_ways(lambda rows: rince_rows(rows, pairs.positives, q, weight, damping), logits, columns)


def rince_rows(
    logits: torch.Tensor, positives: torch.Tensor, q: float, weight: float, damping: float = 1.0
) -> torch.Tensor:
    """Mean over rows; computed with expm1, as both terms tend to 1/q for small q."""
    positive = logits.gather(1, positives[:, None]).squeeze(1)
    everything = damping * logits.logsumexp(1) + log(weight)
    return ((q * everything).expm1() - (q * positive).expm1()).mean() / q
