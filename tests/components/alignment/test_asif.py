"""Relative representations: sparsity, powers, order of the anchors."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.asif import Asif, Relative, fit_path
from components.errors import UserError
from components.transforms import unit_rows

WORLD = SmallWorld("curved")


def test_coordinates_by_hand() -> None:
    anchors = unit_rows(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    out = Relative(anchors, 2, 2.0)(np.array([[3.0, 4.0]]))
    np.testing.assert_allclose(out, unit_rows(np.array([[0.36, 0.64, 0.0]])), atol=1e-6)
    np.testing.assert_allclose(Relative(anchors, 1, 2.0)(np.array([[3.0, 4.0]])), [[0, 1, 0]], atol=1e-6)


def test_order_of_pairs_permutes_coordinates_and_leaves_scores() -> None:
    order = np.random.default_rng(0).permutation(len(WORLD.pairs))
    a, b = fit_path(WORLD.pairs)((0.5, 4.0)), fit_path(WORLD.pairs.take(order))((0.5, 4.0))
    np.testing.assert_allclose(a.left(WORLD.new.left)[:, order], b.left(WORLD.new.left), atol=1e-5)
    np.testing.assert_allclose(
        a.score(WORLD.new.left, WORLD.new.right), b.score(WORLD.new.left, WORLD.new.right), atol=1e-5
    )


def test_bent_world_is_found_by_similarities() -> None:
    assert WORLD.foscttm(Asif().fit(WORLD.left, WORLD.right, WORLD.pairs)) < 0.15
    with pytest.raises(UserError, match="fractions"):
        Asif(fractions=(0.0,))
