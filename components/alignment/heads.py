"""Heads: what a trained linear or MLP head does to rows, without torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.transforms import Spec, Tensors, Transform, unit_rows


class MLPHead(Transform):
    """``unit(gelu(x @ w1 + b1) @ w2)``, or ``unit(x @ w1 [+ b1])`` without ``w2``; ``w1`` [D, H], ``w2`` [H, K]."""

    kind = "mlp-head"

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self.tensors = {k: v.astype(np.float32) for k, v in tensors.items()}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        t, rows = self.tensors, np.asarray(x, dtype=np.float32)
        hidden = rows @ t["w1"]
        if "b1" in t:
            hidden += t["b1"]
        if "w2" not in t:
            return unit_rows(hidden)
        from scipy.special import erf

        return unit_rows((hidden * (1 + erf(hidden / np.float32(np.sqrt(2)))) / 2) @ t["w2"])

    def state(self) -> tuple[Spec, Tensors]:
        return {}, self.tensors

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> MLPHead:
        return cls(tensors)
