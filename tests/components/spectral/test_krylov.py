"""The block eigensolver: against SciPy, with multiple eigenvalues, orthonormal, honest residuals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

from components.spectral.krylov import leading_eigenpairs


def _walk_operator(n: int, seed: int) -> tuple[sp.csr_matrix, np.ndarray]:
    w = sp.random(n, n, density=12 / n, random_state=np.random.default_rng(seed), format="csr")
    w = (w + w.T + sp.diags(np.ones(n - 1), 1) + sp.diags(np.ones(n - 1), -1)).tocsr()
    d = np.asarray(w.sum(1)).ravel()
    half = sp.diags(d**-0.5)
    return (half @ w @ half).tocsr(), np.sqrt(d / d.sum())


@pytest.mark.parametrize("block", [1, 8])
def test_agrees_with_scipy(block: int) -> None:
    s, locked = _walk_operator(1500, 0)
    found = leading_eigenpairs(s, 12, locked=locked, block=block, tolerance=1e-8)
    values, vectors = eigsh(s, k=13, which="LA", v0=np.ones(1500), tol=1e-12)
    np.testing.assert_allclose(found.values, values[::-1][1:], atol=1e-10)
    np.testing.assert_allclose(np.abs((vectors[:, ::-1][:, 1:] * found.vectors).sum(0)), 1.0, atol=1e-6)


def test_vectors_are_orthonormal_without_the_locked_one_and_residuals_are_true() -> None:
    s, locked = _walk_operator(1200, 1)
    found = leading_eigenpairs(s, 20, locked=locked, tolerance=1e-7)
    v = np.column_stack([locked, found.vectors])
    np.testing.assert_allclose(v.T @ v, np.eye(21), atol=1e-12)
    residuals = np.linalg.norm(s @ found.vectors - found.vectors * found.values, axis=0)
    np.testing.assert_allclose(residuals, found.residuals, atol=1e-12)
    assert residuals.max() <= 1e-7


def test_multiple_eigenvalues_are_all_found() -> None:
    """Seven copies of one graph: every eigenvalue seven times, the largest six beside the locked vector."""
    s, locked = _walk_operator(150, 2)
    copies, trivial = sp.block_diag([s] * 7).tocsr(), np.tile(locked, 7) / np.sqrt(7)
    found = leading_eigenpairs(copies, 20, locked=trivial, tolerance=1e-8)
    expected = np.sort(np.repeat(np.linalg.eigvalsh(s.toarray()), 7))[::-1][1:21]
    np.testing.assert_allclose(found.values, expected, atol=1e-9)


def test_stops_at_the_budget_and_says_so() -> None:
    s, locked = _walk_operator(1500, 3)
    found = leading_eigenpairs(s, 10, locked=locked, tolerance=1e-14, max_products=4)
    assert found.num_products <= 8 and found.residuals.max() > 1e-14
