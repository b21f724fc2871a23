"""What the bench knows of the methods: their versions, which of them are simple maps, which need torch."""

from __future__ import annotations

from components.alignment.registry import METHODS
from components.errors import UserError
from pipelines.align import FIT_VERSIONS

CHANCE = "chance"
SIMPLE = ("ridge-cca", "csa", "procrustes", "ridge-map", "kernel-ridge")
# These need numpy alone; for all others the fitting process has torch in memory before the clock starts.
SPECTRAL = ("functional-map", "fused-kernel-ridge", "fused-csa", "spectral-transport", "eigen-cca")
WITHOUT_TORCH = frozenset({*SIMPLE, *SPECTRAL, "asif", "semi-cca", "self-training", "wasserstein-procrustes", "auto"})
CONTROLLED = ("auto", *SIMPLE)


def version_of(method: str) -> str:
    """As in the main pipeline: raised when a method's results change, and only its cells are made again."""
    return FIT_VERSIONS.get(method, "1")


def check_methods(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names without repetition. Raises UserError for an unknown one."""
    known = (*METHODS, CHANCE)
    for name in names:
        if name not in known:
            raise UserError(f"{name!r} is not known", where="--method", do=f"choose from {', '.join(known)}")
    return tuple(dict.fromkeys(names))
