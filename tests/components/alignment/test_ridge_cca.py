"""Ridge CCA against scikit-learn, against the textbook formula, and where only the ridge makes it an estimate."""

import numpy as np
import pytest

from components.alignment.protocol import Pairs
from components.alignment.ridge_cca import RidgeCCA, canonical_parts
from components.errors import UserError
from components.evaluation.retrieval import measure, rank_partners

NONE = np.zeros((0, 0), dtype=np.float32)


def related(n: int, d1: int = 6, d2: int = 5, shared: int = 3, noise: float = 0.5, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, shared))
    left = z @ rng.normal(size=(shared, d1)) + noise * rng.normal(size=(n, d1))
    right = z @ rng.normal(size=(shared, d2)) + noise * rng.normal(size=(n, d2))
    return Pairs(left + 3, right * 10)


def test_without_ridge_it_is_scikit_learns_cca() -> None:
    from sklearn.cross_decomposition import CCA

    pairs = related(400)
    fitted = RidgeCCA(ridge=0.0, gamma=0.0, dim=3).fit(NONE, NONE, pairs)
    oracle = CCA(n_components=3, max_iter=5000, tol=1e-12).fit(pairs.left, pairs.right)
    ours = [part(rows) for part, rows in zip(canonical_parts(fitted), (pairs.left, pairs.right), strict=True)]
    theirs = oracle.transform(pairs.left, pairs.right)
    for a, b in zip(ours, theirs, strict=True):
        agreement = [abs(np.corrcoef(a[:, c], b[:, c])[0, 1]) for c in range(3)]
        np.testing.assert_allclose(agreement, 1, atol=1e-4)
    correlations = [np.corrcoef(theirs[0][:, c], theirs[1][:, c])[0, 1] for c in range(3)]
    np.testing.assert_allclose(fitted.diagnostics["canonical_correlations"], correlations, atol=1e-4)


def test_ridge_formula_of_the_docstring() -> None:
    pairs, ridge = related(50), 0.7

    def whitener(x: np.ndarray) -> np.ndarray:
        unit = ridge * len(x) * (x**2).sum(axis=1).mean() / x.shape[1]
        values, vectors = np.linalg.eigh(x.T @ x + unit * np.eye(x.shape[1]))
        return vectors / np.sqrt(values) @ vectors.T

    x, y = pairs.left - pairs.left.mean(axis=0), pairs.right - pairs.right.mean(axis=0)
    expected = np.linalg.svd(whitener(x) @ x.T @ y @ whitener(y), compute_uv=False)
    fitted = RidgeCCA(ridge=ridge).fit(NONE, NONE, pairs)
    np.testing.assert_allclose(fitted.diagnostics["canonical_correlations"], expected, atol=1e-8)


def test_weights_are_correlations_to_the_power_gamma() -> None:
    pairs = related(60)
    plain, weighted = (RidgeCCA(ridge=0.5, gamma=g).fit(NONE, NONE, pairs) for g in (0.0, 2.0))
    s = np.array(plain.diagnostics["canonical_correlations"])
    for a, b in zip(canonical_parts(plain), canonical_parts(weighted), strict=True):
        np.testing.assert_allclose(a.weight * s**2, b.weight, rtol=1e-4, atol=1e-6)  # type: ignore[attr-defined]


def test_scaled_columns_make_it_blind_to_units() -> None:
    pairs, extra = related(40), related(200, seed=5)
    units = np.array([1, 100, 0.01, 5, 1, 1])
    config = RidgeCCA(ridge=1.0, scale=True)
    a = config.fit(extra.left, extra.right, pairs)
    b = config.fit(extra.left * units, extra.right, Pairs(pairs.left * units, pairs.right))
    np.testing.assert_allclose(a.score(extra.left, extra.right), b.score(extra.left * units, extra.right), atol=1e-4)


def test_constant_column_is_ignored_when_scaling() -> None:
    pairs = related(40)
    left = np.column_stack([pairs.left, np.full(40, 2.0)])
    fitted = RidgeCCA(ridge=1.0, scale=True).fit(NONE, NONE, Pairs(left, pairs.right))
    assert np.isfinite(fitted.transform_left(left)).all()


def test_few_pairs_in_many_dimensions_are_an_estimate_only_with_ridge() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(460, 5))
    mix = [rng.normal(size=(5, 120)), rng.normal(size=(5, 90))]
    left, right = (z @ m + 1.0 * rng.normal(size=(460, m.shape[1])) for m in mix)
    pairs, test = Pairs(left[:60], right[:60]), slice(60, 460)

    def recall(config: RidgeCCA) -> float:
        fitted = config.fit(NONE, NONE, pairs)
        ranks = rank_partners(fitted.transform_left(left[test]), fitted.transform_right(right[test]))
        return measure(ranks).recall[10]

    chosen, none = recall(RidgeCCA(ridge=None)), recall(RidgeCCA(ridge=0.0, gamma=0.0))
    assert chosen > 3 * none and chosen > 30


def test_cross_validation_prefers_a_ridge_to_none_on_noisy_pairs_and_reports_its_table() -> None:
    pairs = related(30, d1=80, d2=80, noise=2.0)
    fitted = RidgeCCA(ridge=None, gamma=None).fit(NONE, NONE, pairs)
    assert len(fitted.diagnostics["cv"]) == 15
    best = max(fitted.diagnostics["cv"], key=lambda row: row["score"])
    assert (fitted.diagnostics["ridge"], fitted.diagnostics["gamma"]) == (best["ridge"], best["gamma"])


def test_fewer_pairs_than_dimensions_is_refused() -> None:
    with pytest.raises(UserError, match="8 pairs are too few for 8 CCA dimensions; give at least 9"):
        RidgeCCA(dim=8).fit(NONE, NONE, related(8))
    assert RidgeCCA(dim=4, ridge=1.0).fit(NONE, NONE, related(8)).transform_left(related(3).left).shape == (3, 4)


@pytest.mark.parametrize(
    ("settings", "where"), [({"dim": 0}, "dim"), ({"ridge": -1.0}, "ridge"), ({"gamma": 99}, "gamma")]
)
def test_impossible_settings_are_refused(settings: dict, where: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError, match=where):
        RidgeCCA(**settings)
