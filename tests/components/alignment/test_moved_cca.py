"""An MMD net after ridge CCA: only the left side is moved, rows are of unit length, and distributions come nearer."""

import numpy as np

from components.alignment.mmd_config import MMDConfig
from components.alignment.moved_cca import MovedCCA
from components.alignment.protocol import Pairs
from components.alignment.ridge_cca import RidgeCCA, canonical_parts
from components.transforms import unit_rows


def test_the_right_side_stays_and_the_left_one_is_moved_towards_it():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3))
    left, right = ((z @ rng.normal(size=(3, 5))).astype(np.float32) for _ in range(2))
    left[:300] += 1.5  # what is not paired lies elsewhere than the pairs do
    pairs, cca = Pairs(left[300:], right[300:]), RidgeCCA(dim=3)
    mmd = MMDConfig(widths=(16,), batch=64, epochs=8, learning_rate=1e-2)
    moved, plain = MovedCCA(cca=cca, mmd=mmd).fit(left[:300], right[:300], pairs), cca.fit(left, right, pairs)
    a, b = canonical_parts(plain)
    np.testing.assert_allclose(moved.right(right), unit_rows(b(right)), atol=1e-5)
    x, y = moved.left(left[:300]), moved.right(right[:300])
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    before = unit_rows(a(left[:300])).mean(axis=0) - y.mean(axis=0)
    assert np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)) < 0.7 * np.linalg.norm(before)
    again = MovedCCA(cca=cca, mmd=mmd).fit(left[:300], right[:300], pairs)
    np.testing.assert_array_equal(again.left(left), moved.left(left))
