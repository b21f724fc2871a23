"""``isthmus bench bridge``: the kernel's speed, error and memory; the experiments of the paper; real data.

Recalls are means over seeds with Student's 95 % interval beside them (``…_ci95``).
"""

from __future__ import annotations

from typing import Any


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All parts: ``kernel``, ``didactic``, ``digits_halves``, ``emoji``."""
    from pipelines.bench.bridge.didactic import measure_didactic
    from pipelines.bench.bridge.digits import measure_digits
    from pipelines.bench.bridge.emoji import measure_emoji
    from pipelines.bench.bridge.kernel import measure_kernel

    return {
        "kernel": measure_kernel(quick=quick),
        "didactic": measure_didactic(quick=quick),
        "digits_halves": measure_digits(quick=quick),
        "emoji": measure_emoji(quick=quick),
        "quick": quick,
    }
