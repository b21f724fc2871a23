"""Decompositions are exact, drop the null space and never depend on the solver's signs."""

import numpy as np

from components.alignment.linalg import column_signs, mean_square_norm, thin_svd


def test_svd_reconstructs_and_drops_the_null_space() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 8))  # rank 3
    svd = thin_svd(x)
    assert svd.s.shape == (3,)
    np.testing.assert_allclose(svd.u * svd.s @ svd.vt, x, atol=1e-12)
    assert thin_svd(np.zeros((4, 2))).s.shape == (0,)


def test_sign_rule_ignores_the_solvers_signs() -> None:
    u = np.array([[0.1, -0.9], [-0.8, 0.3], [0.8, 0.3]])  # the first of the two equal largest entries decides
    signs = column_signs(u)
    np.testing.assert_array_equal(signs, [-1.0, -1.0])
    flips = np.array([-1.0, 1.0])
    np.testing.assert_array_equal(u * signs, u * flips * column_signs(u * flips))


def test_mean_square_norm() -> None:
    assert mean_square_norm(np.array([[3.0, 4.0], [0.0, 1.0]])) == 13.0


def test_svd_does_without_divide_and_conquer(monkeypatch):
    x = np.random.default_rng(0).normal(size=(9, 5))
    expected = thin_svd(x)

    def fails(*args, **kwargs):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", fails)
    found = thin_svd(x)
    np.testing.assert_allclose(found.u, expected.u, atol=1e-12)
    np.testing.assert_allclose(found.s, expected.s, atol=1e-12)
