"""Identity of a step: what decides its result, and nothing else, goes into its key."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.workflow.step import Step
from components.errors import UserError

SHORT = 16  # hex digits of a key in names on disk: 64 bits, so readable names cannot collide by accident


def canonical(value: Any, where: str = "value") -> str:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8 kept; equal values give equal text.

    Raises:
        UserError: for anything that is not JSON (NaN and keys that are not strings included), with its key path.
    """
    return json.dumps(check_json(value, where), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def check_json(value: Any, where: str) -> Any:
    """``value`` as plain JSON (tuples become lists). Raises UserError naming the path of the first offender."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UserError(f"{value} is not a JSON number", where=where, do="use a finite number or null")
        return float(value)
    if isinstance(value, Mapping):
        return {_text_key(k, where): check_json(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [check_json(v, f"{where}[{n}]") for n, v in enumerate(value)]
    raise UserError(f"a {type(value).__module__}.{type(value).__name__} is not JSON", where=where)


def step_key(step: Step, input_keys: Mapping[str, str]) -> str:
    """SHA-256 (64 hex digits) over name, version, config, the keys of the inputs and the digests of externals.

    Args:
        input_keys: name of the input -> key of the step that makes it.
    """
    identity = {
        "name": step.name,
        "version": step.version,
        "config": step.config,
        "inputs": input_keys,
        "externals": step.externals,
    }
    return digest_of(identity, f"step {step.name}")


def digest_of(value: Any, where: str = "value") -> str:
    """SHA-256 of the canonical JSON of a value, as 64 hex digits."""
    return hashlib.sha256(canonical(value, where).encode()).hexdigest()


def object_name(step_name: str, key: str) -> str:
    """The readable name of an output in the store: ``encode-left-0123456789abcdef``."""
    return f"{step_name}-{key[:SHORT]}"


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as ``{"a.b": leaf}``; lists are leaves."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value} if prefix else {}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of nested facts as ``{"a.b": 1.0}``; truth values are none."""
    return {k: v for k, v in flatten(facts).items() if isinstance(v, int | float) and not isinstance(v, bool)}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two nested configs, one sentence each: ``"alignment.dim 8 -> 16"``."""
    before, after = flatten(old), flatten(new)
    return [_change(k, before, after) for k in sorted({*before, *after}) if _differs(k, before, after)]


def _differs(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return (key in before) != (key in after) or show(before.get(key)) != show(after.get(key))


def _change(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if key not in before:
        return f"{key} is new: {show(after[key])}"
    if key not in after:
        return f"{key} {show(before[key])} is gone"
    return f"{key} {show(before[key])} -> {show(after[key])}"


def show(value: Any) -> str:
    """A config value for human eyes: bare strings, JSON for the rest."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _text_key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise UserError(f"the key {key!r} is not a string", where=where)
    return key
