"""The ridge map: scikit-learn's ridge in both directions, linear truth recovered."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.ridge_map import RidgeMap, fit_path
from components.errors import UserError
from components.transforms import unit_rows

WORLD = SmallWorld("linear")


def test_scores_are_two_cosines_of_scikit_learns_predictions() -> None:
    from sklearn.linear_model import Ridge

    x, y = unit_rows(WORLD.pairs.left), unit_rows(WORLD.pairs.right)
    there = Ridge(alpha=0.3, fit_intercept=False).fit(x, y)
    back = Ridge(alpha=0.3, fit_intercept=False).fit(y, x)
    new = WORLD.new
    a, b = unit_rows(new.left), unit_rows(new.right)
    expected = unit_rows(there.predict(a)) @ b.T + a @ unit_rows(back.predict(b)).T
    np.testing.assert_allclose(fit_path(WORLD.pairs)(0.3).score(new.left, new.right), expected, atol=1e-4)


def test_finds_partners_in_a_linear_world_and_none_in_noise() -> None:
    assert WORLD.foscttm(RidgeMap().fit(WORLD.left, WORLD.right, WORLD.pairs)) < 0.03
    noise = SmallWorld("noise")
    assert abs(noise.foscttm(RidgeMap().fit(noise.left, noise.right, noise.pairs)) - 0.5) < 0.1


def test_ridge_must_be_positive() -> None:
    with pytest.raises(UserError, match="ridges"):
        RidgeMap(ridges=(0.0,))
