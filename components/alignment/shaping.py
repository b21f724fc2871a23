"""Small transforms that aligners put together: one factor for all columns, and a choice of columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.transforms import Spec, Tensors, Transform


class Scale(Transform):
    """``factor * x``."""

    kind = "scale"

    def __init__(self, factor: float) -> None:
        self.factor = float(factor)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x * np.float32(self.factor), dtype=np.float32)

    def state(self) -> tuple[Spec, Tensors]:
        return {"factor": self.factor}, {}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Scale:
        return cls(spec["factor"])


class Columns(Transform):
    """Columns ``start`` to ``stop`` (exclusive; None: all the rest), times ``weights`` [stop - start] if given."""

    kind = "columns"

    def __init__(self, start: int, stop: int | None = None, weights: np.ndarray | None = None) -> None:
        self.start, self.stop = start, stop
        self.weights = None if weights is None else weights.astype(np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        columns = np.asarray(x[:, self.start : self.stop], dtype=np.float32)
        return columns if self.weights is None else columns * self.weights

    def state(self) -> tuple[Spec, Tensors]:
        tensors = {} if self.weights is None else {"weights": self.weights}
        return {"start": self.start, "stop": self.stop}, tensors

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Columns:
        return cls(spec["start"], spec["stop"], tensors.get("weights"))
