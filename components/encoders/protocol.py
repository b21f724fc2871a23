"""What every encoder is: bytes or texts in, rows of float32 out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from components.errors import UserError

MODALITIES = ("image", "text")
DEVICES = ("cpu", "cuda", "auto")


@runtime_checkable
class Encoder(Protocol):
    """A frozen map of items to vectors.

    A row of the result depends on its own item only, never on its neighbours in the batch (to 1e-5; bit-identical for
    the default encoders), so batches may be cut anywhere and run anywhere.

    Attributes:
        name: as :func:`components.encoders.registry.load` takes it.
        modality: ``image`` (items are encoded picture files, ``bytes``) or ``text`` (items are ``str``).
        dim: D, the number of columns of the result.
        licence: of the weights, as an SPDX expression where it is known.
    """

    name: str
    modality: str
    dim: int
    licence: str

    def encode(self, items: Sequence[Any]) -> np.ndarray:
        """Encode B items. Returns [B, D] float32. Raises BadImage for bytes that are no picture."""
        ...


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How an encoder runs; none of it changes the result beyond rounding.

    Attributes:
        cache_dir: where converted weights are kept; ``None`` is the user's cache directory.
        threads: CPU threads of one encoder; ``None`` is all the cores this process may use.
        device: ``cpu``, ``cuda`` or ``auto`` (the GPU if torch sees one; costs an import of torch).
    """

    cache_dir: Path | None = None
    threads: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise UserError(f"unknown device {self.device!r}", do=f"use one of {', '.join(DEVICES)}")
        if self.threads is not None and self.threads < 1:
            raise UserError(f"an encoder cannot run on {self.threads} threads", do="use 1 or more")
