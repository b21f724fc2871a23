"""What every config refuses: numbers out of range and names that do not exist. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite

from components.errors import UserError


def check_range(
    name: str,
    value: float | None,
    low: float,
    high: float = inf,
    *,
    above: bool = False,
    below: bool = False,
    optional: bool = False,
) -> None:
    """Raise UserError unless ``low <= value <= high``; ``above``: not ``low`` itself, ``below``: not ``high`` itself.

    None passes if ``optional``.
    """
    if value is None and optional:
        return
    if isinstance(value, int | float) and not isinstance(value, bool):
        if (low < value if above else low <= value) and (value < high if below else value <= high):
            return
    bounds = f"{'above' if above else 'at least'} {low:g}"
    bounds += f" and {'below' if below else 'at most'} {high:g}" if isfinite(high) else ""
    raise UserError(f"{value!r} is not allowed", where=name, do=f"give a number {bounds}")


def check_one_of(name: str, value: str, allowed: Iterable[str]) -> None:
    """Raise UserError unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise UserError(f"{value!r} is not allowed", where=name, do=f"choose from {', '.join(allowed)}")
