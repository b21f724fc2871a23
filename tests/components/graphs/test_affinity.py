"""Weights: closed forms, symmetry, invariance to scale, duplicates."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import UserError
from components.graphs.affinity import Kernel, affinity, density_corrected
from components.graphs.config import GraphConfig
from components.graphs.knn import knn
from components.graphs.walk import degrees


def _weights(rows: np.ndarray, scale: str, k: int = 6) -> np.ndarray:
    found = knn(rows.astype(np.float32), k)
    return affinity(found, Kernel.fit(found, scale=scale, scale_k=3)).toarray()  # type: ignore[arg-type]


def test_three_points_on_a_line_in_closed_form() -> None:
    """Neighbours 0->1, 1->0, 2->1; median distance 1: w01 = e^-1 (both ways), w12 = e^-4 / 2 (one way)."""
    rows = np.array([[0.0], [1.0], [3.0]], np.float32)
    found = knn(rows, 1)
    w = affinity(found, Kernel.fit(found, scale="global", scale_k=1)).toarray()
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = np.exp(-1)
    expected[1, 2] = expected[2, 1] = np.exp(-4) / 2
    np.testing.assert_allclose(w, expected, rtol=1e-6)


@pytest.mark.parametrize("scale", ["local", "global"])
def test_weights_are_symmetric_without_loops_and_do_not_depend_on_units(scale: str) -> None:
    rows = np.random.default_rng(0).standard_normal((80, 5))
    w = _weights(rows, scale)
    assert (w == w.T).all() and (np.diag(w) == 0).all()
    np.testing.assert_allclose(_weights(rows * 40.0, scale), w, rtol=1e-4)


def test_local_scales_see_no_difference_between_a_dense_and_a_sparse_cloud() -> None:
    rows = np.random.default_rng(1).standard_normal((40, 3))
    both = np.concatenate([rows, 100 + 5.0 * rows])
    local, shared = _weights(both, "local"), _weights(both, "global")
    np.testing.assert_allclose(local[:40, :40], local[40:, 40:], rtol=1e-3)
    assert shared[:40, :40].sum() > 2 * shared[40:, 40:].sum()


def test_duplicates_keep_finite_weights_and_equal_rows_are_refused() -> None:
    rows = np.random.default_rng(2).standard_normal((30, 4)).astype(np.float32)
    assert np.isfinite(_weights(np.concatenate([rows, rows[:5], rows[:5], rows[:5]]), "local")).all()
    with pytest.raises(UserError, match="equal"):
        _weights(np.ones((30, 4)), "local")


def test_density_correction_divides_by_degrees() -> None:
    found = knn(np.random.default_rng(3).standard_normal((50, 3)).astype(np.float32), 5)
    w = affinity(found, Kernel.fit(found, scale="local", scale_k=3))
    corrected, factors = density_corrected(w, 1.0)
    d = degrees(w)
    np.testing.assert_allclose(corrected.toarray(), w.toarray() / np.outer(d, d))
    np.testing.assert_allclose(factors, 1 / d)
    assert density_corrected(w, 0.0)[0] is w


@pytest.mark.parametrize(
    ("wrong", "key"), [({"neighbours": 1}, "neighbours"), ({"scale_k": 99}, "scale_k"), ({"scale": "x"}, "scale"),
                       ({"density": 2.0}, "density"), ({"components": "x"}, "components")]
)  # fmt: skip
def test_impossible_settings_name_what_is_allowed(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(UserError, match=f"graph.{key}: .*(give|choose)"):
        GraphConfig(**wrong)  # type: ignore[arg-type]
