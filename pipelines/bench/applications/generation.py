"""Pictures of held-out emoji names, drawn by generators that learned from the other pictures only."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pipelines.bench.applications.evaluated import evaluated

SETTINGS = ("pairs_selection=coverage", "compare=[]", "aligner=kernel-ridge", "splits.draws=2")
QUICK = ("generators.gan.epochs=12",)  # the GAN alone
FIRST = "gan"


def measure(*, quick: bool = False) -> dict[str, Any]:
    """``{"generation": {kind: numbers, …}}`` with the GAN's numbers also at the top."""
    with tempfile.TemporaryDirectory(prefix="isthmus-generation-") as folder:
        settings = [*SETTINGS, *(QUICK if quick else ())]
        found = evaluated("emoji", Path(folder), only=["generation"], settings=settings)["generation"]
    return {"generation": {**found[FIRST], "kinds": found}}
