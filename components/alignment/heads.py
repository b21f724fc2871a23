"""Heads: what a trained linear or MLP head does to rows, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


class Perceptron(Transform):
    """Dense layers with ReLU between them; ``weights`` [inputs, outputs] and ``biases`` [outputs] of each."""

    kind = "perceptron"

    def __init__(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> None:
        self.weights = [w.astype(np.float32) for w in weights]
        self.biases = [b.astype(np.float32) for b in biases]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        hidden = np.asarray(x, np.float32)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.maximum(hidden @ weight + bias, 0.0)
        return np.asarray(hidden @ self.weights[-1] + self.biases[-1], np.float32)

    def state(self) -> tuple[Spec, Tensors]:
        layers = len(self.weights)
        tensors = {f"weight.{n}": self.weights[n] for n in range(layers)}
        return {"layers": layers}, tensors | {f"bias.{n}": self.biases[n] for n in range(layers)}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Perceptron:
        layers = range(int(spec["layers"]))
        return cls([tensors[f"weight.{n}"] for n in layers], [tensors[f"bias.{n}"] for n in layers])
