"""Random features depend on id, side and seed alone."""

import numpy as np

from components.evaluation.controls import random_features

IDS = [f"item-{n}" for n in range(300)]


def test_rows_are_standard_normal_and_unrelated() -> None:
    x = random_features(IDS, 200, seed=0, side="left").vectors
    assert abs(x.mean()) < 0.02 and abs(x.std() - 1) < 0.02
    gram = x @ x.T / 200
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.4  # 5 sd of a dot product of strangers


def test_order_does_not_matter_but_id_side_and_seed_do() -> None:
    a = random_features(IDS, 16, seed=0, side="left")
    b = random_features(IDS[::-1], 16, seed=0, side="left")
    np.testing.assert_array_equal(a.rows(IDS[:5]), b.rows(IDS[:5]))
    for other in (random_features(IDS, 16, seed=1, side="left"), random_features(IDS, 16, seed=0, side="right")):
        assert abs(np.corrcoef(a.vectors.ravel(), other.vectors.ravel())[0, 1]) < 0.06
