"""What the bench knows of the methods: their versions here, which need no pairs, which are simple maps."""

from __future__ import annotations

from components.alignment.registry import METHODS
from components.errors import UserError

CHANCE = "chance"
# Raise a method's number when its results change: only its cells are made again. 1 if it is not here.
VERSIONS: dict[str, str] = {}
NEEDS_NO_PAIRS = frozenset({"wasserstein-procrustes"})
SIMPLE = ("ridge-cca", "csa", "procrustes", "ridge-map", "kernel-ridge")
# These need numpy alone; for all others the fitting process has torch in memory before the clock starts.
WITHOUT_TORCH = frozenset({*SIMPLE, "asif", "semi-cca", "self-training", "wasserstein-procrustes"})
CONTROLLED = ("auto", *SIMPLE)


def version_of(method: str) -> str:
    return VERSIONS.get(method, "1")


def check_methods(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names without repetition. Raises UserError for an unknown one."""
    known = (*METHODS, CHANCE)
    for name in names:
        if name not in known:
            raise UserError(f"{name!r} is not known", where="--method", do=f"choose from {', '.join(known)}")
    return tuple(dict.fromkeys(names))
