from itertools import combinations

import numpy as np
import pytest
from pairing_corpora import clusters, corpus, cosines, whole_view

from components.embeddings import Embeddings
from components.pairing.config import CoverageConfig
from components.pairing.coverage import choose
from components.pairing.facility_location import FacilityLocation, coverage_curve

PLAIN = CoverageConfig(density=0.0, sharpness=2.0)


def similar(rows: Embeddings) -> np.ndarray:
    return np.exp(2.0 * (cosines(rows) - 1))


def value(table: np.ndarray, chosen: list[int]) -> float:
    return float(table[chosen].max(axis=0).mean())


def chosen_rows(rows: Embeddings, budget: int, config: CoverageConfig = PLAIN) -> list[int]:
    view = whole_view(rows, config=config)
    return [rows.index[i] for i in view.rows.ids(choose(view, budget, config).rows)]


@pytest.mark.parametrize("seed", range(6))
def test_reaches_the_guarantee_of_the_best_set(seed: int) -> None:
    rows = corpus(np.random.default_rng(seed).normal(size=(14, 3)))
    table = similar(rows)
    best = max(value(table, list(s)) for s in combinations(range(14), 4))
    reached = value(table, chosen_rows(rows, 4))
    assert (1 - 1 / np.e) * best <= reached <= best + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_picks_are_those_of_a_plain_greedy_loop(seed: int) -> None:
    rows = corpus(np.random.default_rng(seed).normal(size=(120, 5)))
    table, plain = similar(rows), []
    for _ in range(12):
        plain.append(max(set(range(120)) - set(plain), key=lambda r: value(table, [*plain, r])))
    assert chosen_rows(rows, 12) == plain


def test_gains_fall_and_the_curve_adds_them_up() -> None:
    rows, _ = clusters([60, 30, 10])
    view = whole_view(rows, config=PLAIN)
    picks = choose(view, 20, PLAIN)
    assert (np.diff(picks.gains) <= 1e-7).all()
    curve = coverage_curve(view, np.array(picks.rows), PLAIN)
    assert curve[0] == 0 and np.allclose(np.diff(curve), picks.gains, atol=1e-6)
    assert curve[-1] == pytest.approx(value(similar(rows), chosen_rows(rows, 20)), abs=1e-6)


def test_one_item_of_every_cluster_before_a_second_of_any() -> None:
    rows, labels = clusters([100, 40, 20, 10, 5])
    assert sorted(labels[chosen_rows(rows, 5)]) == [0, 1, 2, 3, 4]


def test_known_rows_count_as_covered() -> None:
    rows, labels = clusters([100, 50, 10])
    known = [rows.ids[int(np.flatnonzero(labels == c)[0])] for c in (0, 1)]
    objective = FacilityLocation(whole_view(rows, known, PLAIN), PLAIN)
    gains = objective.gains(np.arange(160))
    view = whole_view(rows, known, PLAIN)
    assert labels[rows.index[view.rows.ids([int(gains.argmax())])[0]]] == 2


@pytest.mark.parametrize("power", [-1.0, 2.0])
def test_density_weights_the_rows_to_be_covered(power: float) -> None:
    rows = corpus(np.random.default_rng(3).normal(size=(150, 5)) * np.array([3, 1, 1, 1, 1]))
    density = np.exp(6.0 * (cosines(rows) - 1)).mean(axis=1)
    table, plain = similar(rows) * density**power, []
    for _ in range(12):
        plain.append(max(set(range(150)) - set(plain), key=lambda r: value(table, [*plain, r])))
    config = CoverageConfig(density=power, sharpness=2.0)
    assert chosen_rows(rows, 12, config) == plain
    assert plain != chosen_rows(rows, 12)


def test_copies_of_a_row_add_nothing() -> None:
    rng = np.random.default_rng(0)
    different = rng.normal(size=(6, 4))
    rows = corpus(np.repeat(different, 5, axis=0))
    picks = choose(whole_view(rows, config=PLAIN), 12, PLAIN)
    assert np.allclose(picks.gains[6:], 0, atol=1e-7) and min(picks.gains[:6]) > 1e-3
    assert len({n // 5 for n in chosen_rows(rows, 6)}) == 6
    assert len(set(picks.rows)) == 12
