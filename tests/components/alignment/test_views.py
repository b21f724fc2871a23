"""Spectral views: raw row first, columns of unit variance, new rows mapped, the same rows remembered."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.views import ViewConfig, plain_view, spectral_view, spectral_views
from components.errors import UserError
from components.transforms import unit_rows

WORLD = SmallWorld("curved")


def test_mapped_row_is_the_raw_one_and_its_coordinates() -> None:
    view = spectral_view(WORLD.left, ViewConfig(dim=12))
    mapped = view.map(WORLD.new.left)
    assert mapped.shape == (120, view.raw + view.dim) and view.dim <= 12
    np.testing.assert_array_equal(view.raw_columns()(mapped), WORLD.new.left)
    own = view.standard_columns(5)(view.map(WORLD.left))
    np.testing.assert_allclose(own.std(axis=0), 1, atol=0.02)
    diffused = view.diffusion_columns(2.0, 4)(mapped)
    np.testing.assert_allclose(diffused, mapped[:, view.raw : view.raw + 4] * view.eigenvalues[:4] ** 2, rtol=1e-5)


def test_first_coordinates_follow_the_curve() -> None:
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    rows = unit_rows(circle @ rng.normal(size=(2, 10)) + 0.01 * rng.normal(size=(400, 10)))
    view = spectral_view(rows, ViewConfig(dim=2, neighbours=10))
    found = view.standard_columns(2)(view.map(rows))
    fit = np.linalg.lstsq(np.column_stack([circle, np.ones(400)]), found, rcond=None)[0]
    residual = found - np.column_stack([circle, np.ones(400)]) @ fit
    assert (residual.var(axis=0) < 0.02).all()  # the walk on a circle has cosine and sine as eigenvectors


def test_same_rows_are_computed_once_and_others_anew() -> None:
    a = spectral_views(WORLD.left, WORLD.right)
    assert spectral_views(WORLD.left.copy(), WORLD.right).left is a.left
    assert spectral_views(WORLD.left[1:], WORLD.right).left is not a.left


def test_big_corpora_are_sampled_and_small_ones_refused() -> None:
    view = spectral_view(WORLD.left, ViewConfig(dim=5, max_rows=100))
    assert view.map.state()[1]["1.rows"].shape[0] == 100  # the Nystrom map holds the graph's rows only
    with pytest.raises(UserError, match="20 unpaired rows are too few for a graph"):
        spectral_view(WORLD.left[:20], ViewConfig())
    assert plain_view(7).dim == 0
