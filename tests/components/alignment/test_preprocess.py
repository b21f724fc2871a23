"""Standardising learns from one side's rows only and keeps their geometry."""

import numpy as np
import pytest

from components.alignment.preprocess import Standardizer, column_scales, standardize
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder
from components.transforms import load_transform, save_transform


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * np.linspace(3, 0.1, d) + 5).astype(np.float32)


def test_without_axes_it_is_centre_then_unit_rows() -> None:
    x = rows(50, 6)
    y = Standardizer.fit(x)(x)
    expected = x - x.mean(axis=0)
    np.testing.assert_allclose(y, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 10), (12, 40)], ids=["tall", "wide"])
def test_axes_are_the_principal_components(n: int, d: int) -> None:
    from sklearn.decomposition import PCA

    x = rows(n, d)
    unit = Standardizer.fit(x)(x)
    axes = Standardizer.fit(x, 4).axes
    assert axes is not None
    oracle = PCA(4, svd_solver="full").fit(unit).components_
    np.testing.assert_allclose(np.abs(np.sum(axes.T * oracle, axis=1)), 1, atol=1e-4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-5)


def test_full_rotation_keeps_dot_products() -> None:
    x = rows(8, 30)  # more dimensions than rows: 7 axes hold all of the centred rows
    s = Standardizer.fit(x, 29)
    assert s.axes is not None and s.axes.shape[1] <= 8
    assert Standardizer.fit(x, 30).axes is None
    unit = Standardizer.fit(x)(x)
    centred = unit - unit.mean(axis=0)
    projected = s(x) - s(x).mean(axis=0)
    np.testing.assert_allclose(projected @ projected.T, centred @ centred.T, atol=1e-5)


def test_row_order_and_rotation_of_the_input_change_nothing() -> None:
    x = rows(80, 7)
    order = np.random.default_rng(3).permutation(80)
    np.testing.assert_allclose(Standardizer.fit(x, 3)(x), Standardizer.fit(x[order], 3)(x), atol=1e-4)
    q, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(7, 7)))
    turned = (x @ q).astype(np.float32)
    a, b = Standardizer.fit(x, 3)(x), Standardizer.fit(turned, 3)(turned)
    np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-4)


def test_rows_are_mapped_one_by_one_and_survive_saving(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = rows(40, 9)
    for name, s in {"plain": Standardizer.fit(x), "pca": Standardizer.fit(x, 5)}.items():
        np.testing.assert_allclose(s(x)[7:8], s(x[7:8]), atol=1e-6)
        save_transform(Folder.at(tmp_path).make(), name, s)
        np.testing.assert_array_equal(load_transform(Folder.at(tmp_path), name)(x), s(x))


def test_refuses_rows_without_content_and_no_axes() -> None:
    with pytest.raises(UserError, match="equal"):
        Standardizer.fit(np.ones((5, 3)))
    with pytest.raises(UserError, match="NaN"):
        Standardizer.fit(np.full((5, 3), np.nan))
    with pytest.raises(UserError, match="pca_dim"):
        Standardizer.fit(rows(5, 3), 0)


def test_columns_get_unit_variance_and_constant_ones_vanish() -> None:
    x = rows(100, 4)
    x[:, 2] = 7
    np.testing.assert_allclose((x * column_scales(x)).std(axis=0), [1, 1, 0, 1], atol=1e-4)


def test_standardize_goes_by_id() -> None:
    x = rows(30, 5)
    ids = [f"r{n}" for n in range(30)]
    order = np.random.default_rng(0).permutation(30)
    a = standardize(Embeddings(ids, x), ids[:20], ["r25", "r3"], pca_dim=3, seed=0)
    shuffled = Embeddings([ids[n] for n in order], x[order])
    b = standardize(shuffled, ids[:20], ["r25", "r3"], pca_dim=3, seed=0)
    np.testing.assert_array_equal(a.features.vectors, b.features.vectors)
    np.testing.assert_allclose(a.standardizer.mean, x[:20].mean(axis=0), atol=1e-5)
    with pytest.raises(UserError, match="no embedding"):
        standardize(Embeddings(ids, x), ["nobody"], [], pca_dim=None, seed=0)
