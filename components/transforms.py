"""Transforms: maps of rows that can be chained and saved as JSON + safetensors.

Everything that a fitted side of the shared space consists of is a transform: preprocessing, the out-of-sample spectral
map, an aligner's side, the MMD net. A side of a model is a :class:`Chain` of them. Loading goes by a registry of names,
never by a pickle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from components.files import Place

Spec = dict[str, Any]
Tensors = dict[str, np.ndarray]

_REGISTRY: dict[str, type[Transform]] = {}
# Where a registered kind lives, so that loading a model imports only what the model needs.
_HOMES = {
    "standardizer": "components.alignment.standardizer",
    "block-standardizer": "components.alignment.blocks",
    "kernel": "components.alignment.kernel_ridge",
    "residual-mlp": "components.alignment.mmd_net",
    "mlp-head": "components.alignment.heads",
    "perceptron": "components.alignment.heads",
    "nystrom": "components.spectral.nystrom",
    "spectralnet": "components.spectral.spectralnet",
    "scale": "components.alignment.shaping",
    "columns": "components.alignment.shaping",
    "relative": "components.alignment.asif",
    "potential": "components.alignment.hubness",
}


class Transform(ABC):
    """A fitted map ``[N, D] -> [N, K]``. Subclasses set ``kind`` (unique) to be loadable."""

    kind: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            _REGISTRY[cls.kind] = cls

    @abstractmethod
    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Map rows ``x`` [N, D] to [N, K] float32; rows are mapped independently of each other."""

    @abstractmethod
    def state(self) -> tuple[Spec, Tensors]:
        """JSON-able parameters and named arrays, enough for :meth:`from_state`."""

    @classmethod
    @abstractmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Transform:
        """The inverse of :meth:`state`."""


class Linear(Transform):
    """``(x - mean) @ weight``; ``mean`` [D], ``weight`` [D, K]."""

    kind = "linear"

    def __init__(self, mean: np.ndarray, weight: np.ndarray) -> None:
        self.mean, self.weight = mean.astype(np.float32), weight.astype(np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean) @ self.weight

    def state(self) -> tuple[Spec, Tensors]:
        return {}, {"mean": self.mean, "weight": self.weight}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Linear:
        return cls(tensors["mean"], tensors["weight"])


class UnitRows(Transform):
    """``x / ||x||``; a zero row stays zero."""

    kind = "unit-rows"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return unit_rows(x)

    def state(self) -> tuple[Spec, Tensors]:
        return {}, {}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> UnitRows:
        return cls()


class _Composite(Transform):
    def __init__(self, parts: Sequence[Transform]) -> None:
        self.parts = list(parts)

    def state(self) -> tuple[Spec, Tensors]:
        specs, tensors = [], {}
        for n, part in enumerate(self.parts):
            spec, arrays = part.state()
            specs.append({"kind": part.kind, **spec})
            tensors.update({f"{n}.{k}": v for k, v in arrays.items()})
        return {"parts": specs}, tensors

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> _Composite:
        return cls([_build(s, below(tensors, f"{n}.")) for n, s in enumerate(spec["parts"])])


class Chain(_Composite):
    """Parts applied one after another."""

    kind = "chain"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for part in self.parts:
            x = part(x)
        return x


class Concat(_Composite):
    """Parts applied side by side to the same rows; their outputs are concatenated."""

    kind = "concat"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([part(x) for part in self.parts], axis=1)


class Identity(Transform):
    """``x`` unchanged."""

    kind = "identity"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x

    def state(self) -> tuple[Spec, Tensors]:
        return {}, {}

    @classmethod
    def from_state(cls, spec: Spec, tensors: Mapping[str, np.ndarray]) -> Identity:
        return cls()


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows scaled to unit Euclidean length, float32; zero rows stay zero. [N, D] -> [N, D]."""
    x = np.asarray(x, dtype=np.float32)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)


def save_transform(folder: Place, name: str, transform: Transform) -> None:
    """Write ``<name>.json`` and ``<name>.safetensors``."""
    spec, tensors = transform.state()
    folder.write_json(f"{name}.json", {"kind": transform.kind, **spec})
    folder.write_tensors(f"{name}.safetensors", tensors)


def load_transform(folder: Place, name: str) -> Transform:
    """Read what :func:`save_transform` wrote. Raises ValueError for an unknown kind."""
    return _build(folder.read_json(f"{name}.json"), folder.read_tensors(f"{name}.safetensors"))


def _build(spec: Spec, tensors: Mapping[str, np.ndarray]) -> Transform:
    from importlib import import_module

    kind = spec["kind"]
    if kind not in _REGISTRY and kind in _HOMES:
        import_module(_HOMES[kind])
    if kind not in _REGISTRY:
        raise ValueError(f"unknown transform {kind!r}; known: {sorted({*_REGISTRY, *_HOMES})}")
    return _REGISTRY[kind].from_state({k: v for k, v in spec.items() if k != "kind"}, tensors)


def below(tensors: Mapping[str, np.ndarray], prefix: str) -> Tensors:
    """Those whose names begin with ``prefix``, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
