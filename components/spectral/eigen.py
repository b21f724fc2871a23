"""Diffusion eigenvectors of a similarity graph, exactly (SUE, arXiv 2505.21524, section on spectral embedding).

psi = D^-1/2 phi, where phi are eigenvectors of S = D^-1/2 W D^-1/2; psi are the right eigenvectors of the random walk
P = D^-1 W. The constant one is known beforehand and left out. ``N`` rows, ``K`` eigenvectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from components.errors import UserError
from components.graphs.walk import degrees, symmetric_operator
from components.spectral.config import EigenConfig
from components.spectral.krylov import EigenPairs, leading_eigenpairs

DENSE_ROWS = 400


@dataclass(frozen=True)
class SpectralBasis:
    """Leading non-trivial eigenvectors of the random walk.

    Attributes:
        eigenvalues: of P, descending. [K]
        vectors: psi, with sum_i pi_i psi_i^2 = 1 for the stationary distribution pi; the entry of largest absolute
            value of every column is positive. [N, K] float64
        residuals: ||S phi - lambda phi||. [K]
        converged: all residuals are within the tolerance.
        num_products: products of S with a block of vectors; 0 if solved densely.
    """

    eigenvalues: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    converged: bool
    num_products: int


def spectral_basis(weights: sp.csr_matrix, config: EigenConfig, *, seed: int = 0) -> SpectralBasis:
    """Eigenvectors of the walk on ``weights`` [N, N] (symmetric, every row has an edge). Memory is linear in N.

    Raises:
        UserError: fewer rows than dimensions.
    """
    num_rows = int(weights.shape[0])
    if num_rows < config.dim + 2:
        raise UserError(
            f"{config.dim} eigenvectors need at least {config.dim + 2} rows, the graph has {num_rows}",
            do="lower spectral.dim or add unpaired rows",
        )
    d = degrees(weights)
    locked = np.sqrt(d / d.sum())
    s = symmetric_operator(weights)
    dense = num_rows <= max(DENSE_ROWS, 3 * config.dim + 12 * config.block)
    pairs = _dense(s, locked, config.dim) if dense else _iterative(s, locked, config, seed)
    return SpectralBasis(
        eigenvalues=pairs.values,
        vectors=oriented(pairs.vectors / locked[:, None]),
        residuals=pairs.residuals,
        converged=bool((pairs.residuals <= config.tolerance).all()),
        num_products=pairs.num_products,
    )


def oriented(vectors: np.ndarray) -> np.ndarray:
    """Columns with their entry of largest absolute value positive (the first such entry, if several). [N, K]"""
    return vectors * signs(vectors)


def signs(vectors: np.ndarray) -> np.ndarray:
    """+1 or -1 for each column: the sign of its entry of largest absolute value. [K]"""
    largest = np.abs(vectors).argmax(axis=0)
    return np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def largest_gap(eigenvalues: np.ndarray) -> int:
    """How many leading eigenvectors stand before the widest fall of the spectrum, 1 to K - 1 (1 if K is 1)."""
    if len(eigenvalues) < 2:
        return 1
    return int(np.argmax(eigenvalues[:-1] - eigenvalues[1:])) + 1


def _iterative(s: sp.csr_matrix, locked: np.ndarray, config: EigenConfig, seed: int) -> EigenPairs:
    return leading_eigenpairs(
        s,
        config.dim,
        locked=locked,
        block=config.block,
        tolerance=config.tolerance,
        max_products=config.max_products,
        seed=seed,
    )


def _dense(s: sp.csr_matrix, locked: np.ndarray, count: int) -> EigenPairs:
    """Few rows: LAPACK. The locked eigenvector is moved from eigenvalue 1 to below all others."""
    n = s.shape[0]
    shifted = s.toarray() - 3.0 * np.outer(locked, locked)
    values, vectors = scipy.linalg.eigh(shifted, subset_by_index=[n - count, n - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    residuals = np.linalg.norm(s @ vectors - vectors * values, axis=0)
    return EigenPairs(values, vectors, residuals, 0)
