"""What the page about a trained encoder shows; filled in from the steps' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class EncoderData:
    """All of it.

    Attributes:
        name: of the recipe.
        modality: ``image`` or ``text``.
        objective: its name.
        corpus: facts of the corpus (rows, modality, licences, ...).
        rows: rows trained on, for choosing the epoch, and for the probes.
        history: metrics of each epoch.
        best_epoch: the one that is kept, from 1.
        dim, parameters: columns of the vectors, weights of the network.
        probes: ``trained`` and ``untrained``: what :func:`components.evaluation.probes.probe` found; and what else the
            step wrote.
        plan: transport plan between two views of validation rows. [B, B]
        plan_classes: class of each of these rows. [B]
        gates: similarity of the classes' gates. [K, K]
        classes: names of the classes.
        notes: sentences that the reader must not miss.
        recipe: as YAML.
    """

    name: str
    modality: str
    objective: str
    corpus: Mapping[str, Any]
    rows: Mapping[str, int]
    history: Sequence[Mapping[str, float]]
    best_epoch: int
    dim: int
    parameters: int
    probes: Mapping[str, Any]
    plan: np.ndarray | None = None
    plan_classes: np.ndarray | None = None
    gates: np.ndarray | None = None
    classes: Sequence[str] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    recipe: str = ""
