"""The gauge: unbiased on unrelated rows, one on rotated copies, calibrated p-values, honest verdicts."""

import numpy as np
import pytest

from components.errors import UserError
from components.evaluation.gauge import debiased_cka, gauge, mutual_knn, neighbour_mask
from components.transforms import unit_rows


def normal(p: int, d: int, seed: int) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).normal(size=(p, d)))


def hsic_by_loops(k: np.ndarray, m: np.ndarray) -> float:
    """HSIC₁ as a U-statistic (Song et al. 2012, eq. 4): sums over distinct indices, written out."""
    p = len(k)
    pairs = triples = quads = 0.0
    for i in range(p):
        for j in range(p):
            if i == j:
                continue
            pairs += k[i, j] * m[i, j]
            for q in range(p):
                if q in (i, j):
                    continue
                triples += k[i, j] * m[i, q]
                quads += sum(k[i, j] * m[q, r] for r in range(p) if r not in (i, j, q))
    n2, n3, n4 = p * (p - 1), p * (p - 1) * (p - 2), p * (p - 1) * (p - 2) * (p - 3)
    return pairs / n2 + quads / n4 - 2 * triples / n3


def test_debiased_cka_is_the_u_statistic() -> None:
    x, y = normal(9, 4, 0), normal(9, 3, 1)
    k, m = x @ x.T, y @ y.T
    expected = hsic_by_loops(k, m) / np.sqrt(hsic_by_loops(k, k) * hsic_by_loops(m, m))
    assert debiased_cka(x, y) == pytest.approx(expected, abs=1e-5)


def test_unrelated_rows_give_zero_on_average_where_the_biased_form_does_not() -> None:
    values = [debiased_cka(normal(60, 200, s), normal(60, 150, s + 1000)) for s in range(100)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 10
    x, y = normal(60, 200, 0), normal(60, 150, 1)
    centre = np.eye(60) - 1 / 60
    k, m = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    assert np.sum(k * m) / np.sqrt(np.sum(k * k) * np.sum(m * m)) > 0.5


def test_rotated_shifted_copies_are_fully_aligned() -> None:
    x = normal(80, 10, 0)
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))
    assert debiased_cka(x, 3 * x @ q + 5) == pytest.approx(1, abs=1e-6)
    assert mutual_knn(x, x @ q) == 1
    found = gauge(x, x @ q)
    assert found.level == "strong" and found.null["cka"].p == pytest.approx(1 / 501)


def test_neighbours_by_hand_and_ties_by_index() -> None:
    angles = np.deg2rad([0, 10, 25, 90])
    mask = neighbour_mask(np.column_stack([np.cos(angles), np.sin(angles)]), 1)
    np.testing.assert_array_equal(mask.argmax(axis=1), [1, 0, 1, 2])
    equal = neighbour_mask(np.ones((4, 2)), 2)
    np.testing.assert_array_equal(np.flatnonzero(equal[3]), [0, 1])
    assert not equal.diagonal().any()


def test_mutual_neighbours_of_unrelated_rows_meet_chance() -> None:
    values = [mutual_knn(normal(101, 20, s), normal(101, 20, s + 500)) for s in range(60)]
    assert np.mean(values) == pytest.approx(0.1, abs=0.006)


def test_p_values_of_unrelated_rows_are_calibrated() -> None:
    found = [gauge(normal(40, 15, s), normal(40, 15, s + 700), num_permutations=99) for s in range(60)]
    p = np.array([[n.p for n in g.null.values()] for g in found])
    assert (np.abs(p.mean(axis=0) - 0.5) < 0.12).all()
    assert sum(g.level != "none" for g in found) <= 4  # two tests at the 1 % level each
    assert "expect chance" in next(g.verdict for g in found if g.level == "none")


@pytest.mark.parametrize(("noise", "level"), [(0.3, "strong"), (2.0, "weak")])
def test_verdict_follows_the_strength_of_the_relation(noise: float, level: str) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(150, 12))
    left, right = (unit_rows(z @ rng.normal(size=(12, 40)) / 3.5 + noise * rng.normal(size=(150, 40))) for _ in "lr")
    found = gauge(left, right)
    assert found.level == level
    assert f"CKA {found.cka:.2f}" in found.verdict and "150 pairs" in found.verdict
    assert found.to_json()["null"]["cka"]["p"] == found.null["cka"].p


def test_seeded_and_symmetric() -> None:
    x, y = normal(30, 6, 0), normal(30, 5, 1)
    assert gauge(x, y, seed=1) == gauge(x, y, seed=1)
    assert gauge(x, y).cka == pytest.approx(gauge(y, x).cka)
    assert gauge(x, y).mutual_knn == gauge(y, x).mutual_knn


def test_what_cannot_be_gauged_is_refused() -> None:
    with pytest.raises(UserError, match="4 pairs are too few"):
        gauge(normal(4, 3, 0), normal(4, 3, 1))
    with pytest.raises(UserError, match="equal"):
        gauge(np.ones((9, 3)), normal(9, 3, 1))
    with pytest.raises(ValueError, match="needs 4 pairs"):
        debiased_cka(normal(3, 3, 0), normal(3, 3, 1))
