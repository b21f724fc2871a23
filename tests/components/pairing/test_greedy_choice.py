import numpy as np
import pytest

from components.pairing.greedy import REFRESH, greedy


class MaxCover:
    """sum_t max_s table[s, t]; counts the gains that were asked for."""

    submodular = True

    def __init__(self, table: np.ndarray) -> None:
        self.table, self.size, self.asked = table, len(table), 0
        self.covered = np.zeros(table.shape[1])

    def gains(self, rows: np.ndarray) -> np.ndarray:
        self.asked += len(rows)
        return np.maximum(self.table[rows] - self.covered, 0).sum(axis=1)

    def add(self, row: int) -> None:
        self.covered = np.maximum(self.covered, self.table[row])


class EagerMaxCover(MaxCover):
    submodular = False


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [7, REFRESH, 400])
def test_lazy_equals_all_gains_anew(seed: int, size: int) -> None:
    # small whole numbers: many gains are exactly equal, so the tie rule is tested as well
    table = np.random.default_rng(seed).integers(0, 4, size=(size, 30)).astype(float)
    lazy, eager = MaxCover(table), EagerMaxCover(table)
    assert greedy(lazy, size) == greedy(eager, size)
    if size > 4 * REFRESH:
        assert lazy.asked < eager.asked / 2


def test_gains_fall_and_sum_to_the_value() -> None:
    table = np.random.default_rng(0).random((50, 20))
    picks = greedy(MaxCover(table), 20)
    assert (np.diff(picks.gains) <= 1e-12).all()
    assert sum(picks.gains) == pytest.approx(table[picks.rows].max(axis=0).sum())


def test_ties_go_to_the_first_and_there_may_be_fewer_rows_than_asked_for() -> None:
    assert greedy(MaxCover(np.ones((5, 3))), 7).rows == [0, 1, 2, 3, 4]
