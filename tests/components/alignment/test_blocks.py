"""Fusing views: closed forms, invariances, and rows that lack a view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.alignment.blocks import BlockStandardizer
from components.alignment.preprocess import fit_standardizer, fused, standardize
from components.alignment.standardizer import Standardizer
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder
from components.transforms import load_transform, save_transform

SIZES = (7, 12, 5)


def rows(n: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 6))
    views = [hidden @ rng.normal(size=(6, d)) + 0.3 * rng.normal(size=(n, d)) + 2 for d in SIZES]
    return np.concatenate(views, axis=1).astype(np.float32)


def parts(x: np.ndarray) -> list[np.ndarray]:
    return np.split(x, np.cumsum(SIZES)[:-1], axis=1)


def cosines(x: np.ndarray) -> np.ndarray:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


@pytest.mark.parametrize("pca_dim", [None, 4])
def test_one_block_is_exactly_the_standardizer(pca_dim: int | None) -> None:
    x = rows()
    one = fit_standardizer(x, pca_dim, (x.shape[1],))
    assert isinstance(one, Standardizer)
    np.testing.assert_array_equal(one(x), Standardizer.fit(x, pca_dim)(x))


def test_without_axes_the_cosine_is_the_mean_of_the_views_cosines() -> None:
    x = rows()
    expected = np.mean([cosines(p - p.mean(axis=0)) for p in parts(x)], axis=0)
    out = fit_standardizer(x, None, SIZES)(x)
    np.testing.assert_allclose(out @ out.T, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-5)


def test_axes_are_the_principal_components_of_the_fused_views() -> None:
    from sklearn.decomposition import PCA

    x = rows()
    before = BlockStandardizer([Standardizer.fit(p, 6) for p in parts(x)])(x)
    axes = BlockStandardizer.fit(x, SIZES, 6).axes
    assert axes is not None
    oracle = PCA(6, svd_solver="full").fit(before).components_
    np.testing.assert_allclose(np.abs(np.sum(axes.T * oracle, axis=1)), 1, atol=1e-3)


def test_order_of_the_views_and_their_scale_change_no_cosine() -> None:
    x = rows()
    first, second, third = parts(x)
    turned = np.concatenate([third, 40 * first, second - 3], axis=1)
    for pca_dim in (None, 6):
        a = fit_standardizer(x, pca_dim, SIZES)(x)
        b = fit_standardizer(turned, pca_dim, (5, 7, 12))(turned)
        np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-4)


def test_a_missing_view_counts_as_the_mean_and_the_others_make_up_for_it() -> None:
    x = rows()
    x[3, :7] = np.nan
    out = fit_standardizer(x, None, SIZES)(x)
    np.testing.assert_array_equal(out[3, :7], 0)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-5)
    rest = np.delete(x, 3, axis=0)
    np.testing.assert_allclose(out[3, 7:19], Standardizer.fit(x[:, 7:19])(x[:, 7:19])[3] / np.sqrt(2), atol=1e-5)
    np.testing.assert_allclose(fit_standardizer(x, None, SIZES)(rest)[:, :7], np.delete(out, 3, axis=0)[:, :7])


def test_rows_that_lack_a_view_stay_close_to_where_they_were() -> None:
    x = rows(200)
    s = fit_standardizer(x, 6, SIZES)
    lacking = x.copy()
    lacking[:, 19:] = np.nan
    own = np.sum(s(x) * s(lacking), axis=1)
    assert np.mean(own[:, None] > s(lacking) @ s(x).T) > 0.98  # nearest to its own full row


def test_a_row_without_any_view_is_zero() -> None:
    x = rows()
    s = fit_standardizer(x, 4, SIZES)
    np.testing.assert_array_equal(s(np.full((1, 24), np.nan)), np.zeros((1, 4)))


def test_rows_are_mapped_one_by_one_and_survive_saving(tmp_path: Path) -> None:
    x = rows()
    x[5, 7:19] = np.nan
    for pca_dim in (None, 4):
        s = fit_standardizer(x, pca_dim, SIZES)
        np.testing.assert_allclose(s(x)[5:6], s(x[5:6]), atol=1e-6)
        save_transform(Folder.at(tmp_path).make(), "side", s)
        np.testing.assert_array_equal(load_transform(Folder.at(tmp_path), "side")(x), s(x))


def test_refusals_name_the_view() -> None:
    x = rows()
    x[:, 7:19] = np.nan
    with pytest.raises(UserError, match="no unpaired row has view 2"):
        fit_standardizer(x, 4, SIZES)
    x = rows()
    x[4, 8] = np.nan
    with pytest.raises(UserError, match=r"view 2: .*NaN"):
        fit_standardizer(x, 4, SIZES)
    x = rows()
    x[:, :7] = 1
    with pytest.raises(UserError, match=r"view 1: .*equal"):
        fit_standardizer(x, 4, SIZES)


def test_embeddings_keep_their_blocks_and_standardize_follows_them(tmp_path: Path) -> None:
    x = rows()
    ids = [f"r{n:02}" for n in range(60)]
    Embeddings(ids, x, SIZES).write(Folder.at(tmp_path).make())
    read = Embeddings.read(Folder.at(tmp_path))
    assert read.blocks == read.take(ids[:3]).blocks == SIZES
    side = standardize(read, ids[:50], ids[50:], pca_dim=4, seed=0)
    np.testing.assert_allclose(side.features.vectors, fit_standardizer(x[:50], 4, SIZES)(x[50:]), atol=1e-6)
    with pytest.raises(ValueError, match="blocks"):
        Embeddings(ids, x, (7, 12))


def test_fused_leaves_one_view_alone() -> None:
    ids = [f"r{n}" for n in range(60)]
    single = Embeddings(ids, rows())
    assert fused(single, seed=0) is single
    several = fused(Embeddings(ids, rows(), SIZES), seed=0)
    assert not several.blocks and np.isfinite(several.vectors).all()
