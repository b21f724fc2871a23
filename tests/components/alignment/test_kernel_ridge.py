"""Kernel ridge both ways: scikit-learn's solution in each direction, two cosines in one dot product."""

import numpy as np
import pytest

from components.alignment.kernel_ridge import KernelMap, KernelRidge
from components.alignment.protocol import Pairs
from components.errors import UserError
from components.transforms import unit_rows

NONE = np.zeros((0, 0), dtype=np.float32)


def curved(n: int, seed: int) -> Pairs:
    """Right is a non-linear function of left."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(3, 10))
    x = rng.normal(size=(n, 3))
    return Pairs(x, np.tanh(3 * x @ mix) + 0.05 * rng.normal(size=(n, 10)))


def test_scores_are_the_sum_of_two_cosines_of_scikit_learns_predictions() -> None:
    from sklearn.kernel_ridge import KernelRidge as Oracle

    pairs, new = curved(40, 0), curved(15, 1)
    b, ridge = 2.0, 0.3
    fitted = KernelRidge(sharpness=(b,), ridges=(ridge,)).fit(NONE, NONE, pairs)
    kernel = lambda p, q: np.exp(b * (unit_rows(p) @ unit_rows(q).T - 1)).astype(np.float64)  # noqa: E731

    def predict(source: np.ndarray, target: np.ndarray, query: np.ndarray) -> np.ndarray:
        model = Oracle(alpha=ridge, kernel="precomputed").fit(kernel(source, source), unit_rows(target))
        return unit_rows(model.predict(kernel(query, source)))

    expected = predict(pairs.left, pairs.right, new.left) @ unit_rows(new.right).T
    expected = expected + unit_rows(new.left) @ predict(pairs.right, pairs.left, new.right).T
    np.testing.assert_allclose(fitted.score(new.left, new.right), expected, atol=1e-4)


def test_maps_have_two_unit_blocks() -> None:
    pairs = curved(30, 0)
    fitted = KernelRidge(sharpness=(1.0,), ridges=(0.5,)).fit(NONE, NONE, pairs)
    for side in (fitted.transform_left(pairs.left), fitted.transform_right(pairs.right)):
        np.testing.assert_allclose((side**2).sum(axis=1), 2, atol=1e-5)


def test_cross_validation_picks_from_the_grid_and_uses_the_distractors() -> None:
    pairs, extra = curved(60, 0), curved(300, 2)
    fitted = KernelRidge().fit(extra.left, extra.right, pairs)
    table = fitted.diagnostics["cv"]
    assert len(table) == 9
    best = max(table, key=lambda row: row["score"])
    assert (fitted.diagnostics["sharpness"], fitted.diagnostics["ridge"]) == (best["sharpness"], best["ridge"])
    alone = KernelRidge().fit(NONE, NONE, pairs).diagnostics["cv"]
    assert best["score"] < max(row["score"] for row in alone)  # more competitors, worse ranks


def test_bends_where_a_linear_map_cannot() -> None:
    from components.alignment.ridge_cca import RidgeCCA
    from components.evaluation.retrieval import measure, rank_partners

    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2))
    y = np.column_stack([x[:, 0] ** 2 - 1, x[:, 1] * x[:, 0], np.abs(x[:, 1]) - 0.8])  # even: no linear relation
    x3 = np.column_stack([x, np.ones(500)])

    def foscttm(aligner) -> float:  # type: ignore[no-untyped-def]
        fitted = aligner.fit(NONE, NONE, Pairs(x3[:150], y[:150]))
        return measure(rank_partners(fitted.transform_left(x3[150:]), fitted.transform_right(y[150:]))).foscttm

    assert foscttm(KernelRidge()) < 0.75 * foscttm(RidgeCCA())


def test_many_pairs_are_sampled_and_settings_checked() -> None:
    fitted = KernelRidge(sharpness=(1.0,), ridges=(0.5,), max_pairs=20).fit(NONE, NONE, curved(50, 0))
    assert fitted.diagnostics["pairs"] == 20
    assert KernelRidge(sharpness=2.0).sharpness == (2.0,)  # type: ignore[arg-type]
    for bad in ({"ridges": (0.0,)}, {"sharpness": ()}, {"sharpness": "wide"}, {"ridges": (1.0, float("nan"))}):
        with pytest.raises(UserError, match="is not allowed"):
            KernelRidge(**bad)  # type: ignore[arg-type]


def test_kernel_map_of_an_anchor_is_its_own_row() -> None:
    anchors = np.eye(3, dtype=np.float32)
    out = KernelMap(anchors, np.eye(3), 50.0)(anchors * 7)  # so sharp that only the anchor itself counts
    np.testing.assert_allclose(out, np.eye(3), atol=1e-6)
