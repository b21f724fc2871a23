"""Diffusion coordinates: closed forms, invariances, determinism."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from components.errors import UserError
from components.graphs.build import build_graph
from components.graphs.config import GraphConfig
from components.graphs.walk import degrees, stationary, transition
from components.spectral.config import EigenConfig
from components.spectral.eigen import largest_gap, oriented, spectral_basis


def _ring(n: int) -> sp.csr_matrix:
    step = np.arange(n)
    edges = sp.csr_matrix((np.ones(n), (step, (step + 1) % n)), shape=(n, n))
    return (edges + edges.T).tocsr()


@pytest.mark.parametrize("n", [60, 1001])  # dense, iterative
def test_ring_has_cosines_as_eigenvalues(n: int) -> None:
    basis = spectral_basis(_ring(n), EigenConfig(dim=7, tolerance=1e-9))
    expected = np.cos(2 * np.pi * np.array([1, 1, 2, 2, 3, 3, 4]) / n)
    np.testing.assert_allclose(basis.eigenvalues, expected, atol=1e-10)
    assert basis.converged and (basis.num_products == 0) == (n == 60)


@pytest.mark.parametrize("n", [90, 900])
def test_columns_are_eigenfunctions_of_the_walk_orthonormal_under_its_stationary_measure(n: int) -> None:
    rows = np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)
    w = build_graph(rows, GraphConfig()).weights
    basis = spectral_basis(w, EigenConfig(dim=9, tolerance=1e-8))
    psi, pi = basis.vectors, stationary(w)
    np.testing.assert_allclose(transition(w) @ psi, psi * basis.eigenvalues, atol=1e-5)
    np.testing.assert_allclose(psi.T @ (pi[:, None] * psi), np.eye(9), atol=1e-9)
    np.testing.assert_allclose(pi @ psi, 0.0, atol=1e-9)  # the constant function is not among them
    assert (psi[np.abs(psi).argmax(0), np.arange(9)] > 0).all()
    assert (np.diff(basis.eigenvalues) <= 0).all()


def test_k_parts_have_k_unit_eigenvalues() -> None:
    w = sp.block_diag([_ring(120)] * 5).tocsr()
    basis = spectral_basis(w, EigenConfig(dim=6, tolerance=1e-9))
    assert (basis.eigenvalues > 1 - 1e-9).sum() == 4  # and the dropped constant
    for part in np.split(basis.vectors[:, :4], 5):  # constant on every part
        np.testing.assert_allclose(part, part[:1].repeat(120, 0), atol=1e-6)


def test_order_of_rows_and_units_do_not_matter_and_a_seed_repeats_itself() -> None:
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((800, 3)).astype(np.float32) * [3.0, 2.0, 1.0]
    order = rng.permutation(800)
    config = EigenConfig(dim=5, tolerance=1e-10)
    one = spectral_basis(build_graph(rows, GraphConfig()).weights, config)
    two = spectral_basis(build_graph(7.0 * rows[order], GraphConfig()).weights, config, seed=9)
    np.testing.assert_allclose(two.vectors, one.vectors[order], atol=1e-3)
    again = spectral_basis(build_graph(rows, GraphConfig()).weights, config)
    assert (again.vectors == one.vectors).all()


def test_planted_clusters_make_the_gap() -> None:
    rng = np.random.default_rng(1)
    centres = 4.5 * np.eye(6)
    rows = (centres[rng.integers(0, 6, 900)] + 0.8 * rng.standard_normal((900, 6))).astype(np.float32)
    w = build_graph(rows, GraphConfig()).weights
    assert largest_gap(spectral_basis(w, EigenConfig(dim=12)).eigenvalues) == 5


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(UserError, match="30 eigenvectors need at least 32 rows, the graph has 20"):
        spectral_basis(_ring(20), EigenConfig(dim=30))


def test_orientation_is_that_of_the_largest_entry() -> None:
    v = np.array([[1.0, 2.0], [-3.0, -1.0]])
    assert oriented(v).tolist() == [[-1.0, 2.0], [3.0, -1.0]]
    assert (oriented(-v) == oriented(v)).all()
    assert degrees(_ring(5)).tolist() == [2.0] * 5
