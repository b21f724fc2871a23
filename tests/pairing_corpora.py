"""Small corpora for the tests of the choice of pairs."""

from __future__ import annotations

import numpy as np

from components.embeddings import Embeddings
from components.pairing.config import CoverageConfig
from components.pairing.rows import CentredRows
from components.pairing.views import View


def corpus(rows: np.ndarray, letter: str = "i") -> Embeddings:
    return Embeddings([f"{letter}{n:05d}" for n in range(len(rows))], np.asarray(rows, dtype=np.float32))


def clusters(sizes: list[int], *, dim: int = 8, spread: float = 0.2, seed: int = 0) -> tuple[Embeddings, np.ndarray]:
    """Rows around far centres, in random order, and the cluster of each."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = np.linalg.qr(rng.normal(size=(dim, dim)))[0][: len(sizes)] * 4
    return corpus(centres[labels] + spread * rng.normal(size=(len(labels), dim))), labels


def shuffled(rows: Embeddings, seed: int) -> Embeddings:
    order = np.random.default_rng(seed).permutation(len(rows))
    return Embeddings([rows.ids[n] for n in order], rows.vectors[order])


def whole_view(rows: Embeddings, known: list[str] | None = None, config: CoverageConfig | None = None) -> View:
    """Every row is a candidate and a target."""
    centred = CentredRows(rows, (config or CoverageConfig()).seed)
    everything = np.arange(len(rows))
    return View(centred, everything, everything, centred.positions(known or []))


def cosines(rows: Embeddings) -> np.ndarray:
    """Cosines of centred rows in float64, an implementation of its own."""
    centred = rows.vectors.astype(np.float64) - rows.vectors.astype(np.float64).mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)
