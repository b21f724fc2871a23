"""Conditions: principal components of the pictures' places; a text's is a blend of pictures'."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.files import Folder
from components.generation.conditioning import SHARPNESS, Conditioner
from components.transforms import unit_rows

ROWS = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)


def _conditioner(sharpness: float = 5.0, dim: int = 5) -> Conditioner:
    return Conditioner.fit(ROWS, dim=dim, sharpness=sharpness)


def test_conditions_are_scaled_principal_components() -> None:
    made = _conditioner().of(ROWS)
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.square(made).mean(), 1, rtol=1e-5)
    covariance = made.T @ made / len(made)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-5)
    assert (np.diff(np.diag(covariance)) <= 1e-6).all()


def test_all_components_keep_all_distances() -> None:
    made, scale = _conditioner(dim=8).of(ROWS), np.square(ROWS - ROWS.mean(0)).sum() / (40 * 8)
    apart = np.linalg.norm(ROWS[:, None] - ROWS, axis=2) / np.sqrt(scale)
    np.testing.assert_allclose(np.linalg.norm(made[:, None] - made, axis=2), apart, atol=1e-4)


def test_blend_goes_from_the_mean_to_the_nearest_picture() -> None:
    queries = np.random.default_rng(1).standard_normal((7, 8)).astype(np.float32)
    np.testing.assert_allclose(_conditioner(1e-7).blended(queries), 0, atol=1e-4)
    sharp = _conditioner(1e6)
    np.testing.assert_allclose(sharp.blended(queries), sharp.of(ROWS[(queries @ ROWS.T).argmax(axis=1)]), atol=1e-5)


def test_a_picture_is_not_its_own_neighbour() -> None:
    sharp = _conditioner(1e6)
    among = ROWS @ ROWS.T
    np.fill_diagonal(among, -np.inf)
    np.testing.assert_allclose(sharp.neighbours(), sharp.of(ROWS[among.argmax(axis=1)]), atol=1e-5)


def test_a_saved_conditioner_says_the_same(tmp_path: Path) -> None:
    ours, folder = _conditioner(), Folder.at(tmp_path)
    ours.save(folder, "c")
    again = Conditioner.load(folder, "c")
    np.testing.assert_allclose(again.blended(ROWS), ours.blended(ROWS), atol=1e-6)
    assert (again.sharpness, again.spread) == (ours.sharpness, ours.spread)


def test_the_sharpness_whose_blends_are_recognised_is_chosen() -> None:
    """Lines of pictures, a step apart: too soft a blend is the line's middle, too sharp a one the next picture."""
    rng = np.random.default_rng(2)
    starts, ways = rng.standard_normal((2, 12, 1, 6))
    rows = (starts + ways * np.linspace(-1, 1, 40)[:, None] + 0.1 * rng.standard_normal((12, 40, 6))).reshape(-1, 6)

    def recognised(sharpness: float) -> float:
        made = Conditioner.fit(rows, dim=4, sharpness=sharpness)
        scores = unit_rows(made.neighbours()) @ unit_rows(made.of(made.bank)).T
        return float(np.mean((scores > np.diag(scores)[:, None]).sum(axis=1) < 10))

    found = {s: recognised(s) for s in SHARPNESS}
    chosen = Conditioner.fit(rows, dim=4).sharpness
    assert SHARPNESS[0] < chosen < SHARPNESS[-1] and found[chosen] == max(found.values())


def test_equal_pictures_do_not_divide_by_zero() -> None:
    assert np.isfinite(Conditioner.fit(np.ones((5, 3)), dim=2, sharpness=5.0).blended(np.ones((2, 3)))).all()
