"""Preprocessing of one side, learned from its own rows only (no pairs needed)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.alignment.blocks import BlockStandardizer
from components.alignment.standardizer import Standardizer
from components.embeddings import Embeddings

__all__ = ["StandardizedSide", "Standardizer", "column_scales", "fit_standardizer", "fused", "standardize"]

MAX_FIT_ROWS = 20_000
FUSED_DIM = 256
AnyStandardizer = Standardizer | BlockStandardizer


def fit_standardizer(rows: np.ndarray, pca_dim: int | None, blocks: Sequence[int] = ()) -> AnyStandardizer:
    """The standardiser of ``rows`` [N, D]: of one view, or of several side by side with widths ``blocks``.

    Raises:
        UserError: non-finite or all-equal rows, a view that no row has, ``pca_dim < 1``.
    """
    if len(blocks) < 2:
        return Standardizer.fit(rows, pca_dim)
    return BlockStandardizer.fit(rows, blocks, pca_dim)


@dataclass(frozen=True)
class StandardizedSide:
    """A side's fitted standardiser and the features of the rows that were asked for."""

    standardizer: AnyStandardizer
    features: Embeddings


def standardize(
    rows: Embeddings, fit_ids: Sequence[str], wanted_ids: Sequence[str], *, pca_dim: int | None, seed: int
) -> StandardizedSide:
    """Fit the standardiser on ``fit_ids`` (a seeded sample of at most 20,000) and map ``wanted_ids``.

    Raises:
        UserError: an id without a row, non-finite or all-equal rows.
    """
    ids = list(fit_ids)
    if len(ids) > MAX_FIT_ROWS:
        chosen = np.random.default_rng(seed).choice(len(ids), MAX_FIT_ROWS, replace=False)
        ids = [ids[n] for n in np.sort(chosen)]
    standardizer = fit_standardizer(rows.rows(ids), pca_dim, rows.blocks)
    return StandardizedSide(standardizer, Embeddings(list(wanted_ids), standardizer(rows.rows(wanted_ids))))


def fused(rows: Embeddings, *, seed: int) -> Embeddings:
    """Rows of several views as one; rows of one view stay as they are. For what takes raw rows of one encoder."""
    if not rows.blocks:
        return rows
    return standardize(rows, rows.ids, rows.ids, pca_dim=FUSED_DIM, seed=seed).features


def column_scales(rows: np.ndarray) -> np.ndarray:
    """1 / standard deviation of every column of ``rows`` [N, D], 0 for a constant one. [D]

    Spectral coordinates need it before any regression: their columns differ in spread by orders of magnitude.
    """
    spread = rows.std(axis=0, dtype=np.float64)
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-7 * spread.max())
