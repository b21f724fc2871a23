"""Cosines in a subspace that differs from row to row, as three matrix products.

cos(q_i ⊙ g_i, k_j ⊙ g_i) for all i, j would be a tensor [B, N, D] if it were written down. It is
(q ⊙ g²) kᵀ / (√(q² ⊙ g²)1 · √(g² (k²)ᵀ)).
"""

from __future__ import annotations

import torch

TINY = 1e-12


def gated_logits(q: torch.Tensor, k: torch.Tensor, gates: torch.Tensor, temperature: float) -> torch.Tensor:
    """Gated cosines over ``temperature``. [B, N]

    Args:
        q: anchors [B, D].
        k: keys [N, D].
        gates: in [0, 1], one row an anchor [B, D], or [1, D] for all.
    """
    squared = gates * gates
    weighted = squared * q
    length = _inverse_root((weighted * q).sum(1, keepdim=True))
    lengths = _inverse_root(squared @ (k * k).T)
    return (weighted * (length / temperature)) @ k.T * lengths


def _inverse_root(x: torch.Tensor) -> torch.Tensor:
    """1/√x, and 0 with no gradient for what has no length: a row of zeros, or one whose gate is closed."""
    return torch.where(x > TINY, x.clamp(min=TINY).rsqrt(), 0)
