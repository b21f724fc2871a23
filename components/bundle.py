"""Bundle: JSON values and arrays under names, kept in memory and saved as one safetensors file.

For what would otherwise be hundreds of small files, which object stores answer slowly. JSON is kept as UTF-8 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.files import Folder

_BETWEEN = "|"  # between a name and the arrays below it; no file name of ours has it


class Bundle:
    """A :class:`components.files.Place` in memory. ``tensors`` are its contents, as :meth:`load` finds them."""

    def __init__(self, tensors: dict[str, np.ndarray] | None = None, prefix: str = "") -> None:
        self._tensors, self._prefix = {} if tensors is None else tensors, prefix

    def sub(self, name: str) -> Bundle:
        """A part of this bundle with names of its own."""
        return Bundle(self._tensors, f"{self._prefix}{name}/")

    def __contains__(self, name: str) -> bool:
        """Whether a JSON value of this name was written."""
        return f"{self._prefix}{name}" in self._tensors

    def write_json(self, name: str, value: Any) -> None:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
        self._tensors[f"{self._prefix}{name}"] = np.frombuffer(text.encode(), np.uint8)

    def read_json(self, name: str) -> Any:
        return json.loads(self._tensors[f"{self._prefix}{name}"].tobytes())

    def write_tensors(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        self._tensors.update({f"{self._prefix}{name}{_BETWEEN}{k}": v for k, v in tensors.items()})

    def read_tensors(self, name: str) -> dict[str, np.ndarray]:
        start = f"{self._prefix}{name}{_BETWEEN}"
        return {k.removeprefix(start): v for k, v in self._tensors.items() if k.startswith(start)}

    def save(self, folder: Folder, name: str) -> None:
        """Write everything as the file ``name`` of ``folder``."""
        folder.write_tensors(name, self._tensors)

    @classmethod
    def load(cls, folder: Folder, name: str) -> Bundle:
        """Read what :meth:`save` wrote."""
        return cls(folder.read_tensors(name))
