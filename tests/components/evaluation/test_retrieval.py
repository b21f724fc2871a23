"""Ranks: closed forms, ties, distractors, blocks that stay small."""

import tracemalloc

import numpy as np
import pytest

from components.evaluation import retrieval
from components.evaluation.retrieval import RANKS_SCHEMA, chance, measure, rank_partners, ranks_of, ranks_of_fits
from components.transforms import unit_rows


def random_rows(n: int, k: int = 8, seed: int = 0) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, k)))


def test_a_score_matrix_worked_by_hand() -> None:
    gallery = np.eye(4)
    scores = np.array([[9, 1, 2, 3], [5, 4, 4, 1], [1, 2, 3, 4.0]])  # rank 1; one above, one tie; one above
    ranks = rank_partners(scores, gallery)
    np.testing.assert_array_equal(ranks.rank, [1, 2.5, 2])
    np.testing.assert_allclose(ranks.closer, [0, 0.5, 1 / 3])
    found = measure(ranks, recalls=(1, 2, 4))
    assert found.recall == {1: pytest.approx(100 / 3), 2: pytest.approx(200 / 3), 4: 100}
    assert (found.median_rank, found.gallery) == (2, 4)
    assert found.foscttm == pytest.approx((0 + 0.5 + 1 / 3) / 3)


def test_perfect_and_worst_order() -> None:
    x = random_rows(50)
    assert measure(rank_partners(x, x)).as_dict() == {
        "R@1": 100, "R@5": 100, "R@10": 100, "median_rank": 1, "foscttm": 0
    }  # fmt: skip
    worst = rank_partners(-x, x)
    assert worst.rank.min() == 50 and measure(worst).foscttm == 1


def test_a_space_where_everything_is_equal_is_chance_not_perfection() -> None:
    same = np.repeat(random_rows(1, k=300), 101, axis=0)
    ranks = rank_partners(same, same)
    np.testing.assert_array_equal(ranks.rank, 51)
    assert measure(ranks).foscttm == 0.5 and measure(ranks).recall[10] == 0


def test_random_rows_meet_the_closed_form_of_chance() -> None:
    gallery, queries = 200, 200
    expected = chance(gallery)
    found = [measure(rank_partners(random_rows(queries, seed=s), random_rows(gallery, seed=s + 99))) for s in range(40)]
    for k in (1, 5, 10):
        error = 100 * np.sqrt(k / gallery / queries / len(found))
        assert abs(np.mean([m.recall[k] for m in found]) - expected.recall[k]) < 4 * error
    assert abs(np.mean([m.foscttm for m in found]) - 0.5) < 0.01
    assert abs(np.mean([m.median_rank for m in found]) - expected.median_rank) < 5
    assert chance(7).recall[10] == 100


def test_blocks_do_not_change_ranks_and_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = random_rows(3000), random_rows(3000, seed=1)
    whole = rank_partners(x, y)
    monkeypatch.setattr(retrieval, "CHUNK_SCORES", 100_000)
    tracemalloc.start()
    blocks = rank_partners(x, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(blocks.rank, whole.rank, atol=1)  # another block may round another near-tie
    assert np.mean(blocks.rank == whole.rank) > 0.99
    assert peak < 4_000_000 < x.shape[0] * y.shape[0] * 4


def test_order_of_the_gallery_does_not_matter() -> None:
    x, y = random_rows(80), random_rows(80, seed=1)
    order = np.random.default_rng(0).permutation(80)
    np.testing.assert_array_equal(rank_partners(x[order], y[order]).rank, rank_partners(x, y).rank[order])


def test_distractors_only_push_partners_down() -> None:
    x, y, more = random_rows(20), random_rows(20, seed=1), random_rows(30, seed=2)
    ranks = rank_partners(x, np.concatenate([y, more]))
    expected = rank_partners(x, y).rank + (x @ more.T > np.sum(x * y, axis=1)[:, None]).sum(axis=1)
    np.testing.assert_array_equal(ranks.rank, expected)
    assert ranks.gallery == 50
    with pytest.raises(ValueError, match="only 5 gallery rows"):
        rank_partners(x, y[:5])


def test_table_holds_both_directions_by_id() -> None:
    x, y = random_rows(6), random_rows(6, seed=1)
    ids = [(f"L{n}", f"R{n}") for n in range(6)]
    table = ranks_of(x, y, ids, "group", 3, control="shuffled-pairs")
    assert table.schema == RANKS_SCHEMA and table.num_rows == 12
    forth = table.filter(pyarrow_equal(table, "direction", "left_to_right"))
    assert forth["query"].to_pylist() == [i for i, _ in ids]
    np.testing.assert_array_equal(forth["rank"].to_numpy(), rank_partners(x, y).rank)
    back = table.filter(pyarrow_equal(table, "direction", "right_to_left"))
    assert back["query"].to_pylist() == [j for _, j in ids]
    np.testing.assert_array_equal(back["rank"].to_numpy(), rank_partners(y, x).rank)
    assert set(table["draw"].to_pylist()) == {3} and set(table["gallery"].to_pylist()) == {6}


def test_many_fits_are_ranked_by_cosine() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 3, 6, 4))  # three fits of six pairs
    ids = [(f"L{n}", f"R{n}") for n in range(6)]
    fits = [("random", 0), ("random", 1), ("group", 0)]
    table = ranks_of_fits(left * 7, right, fits, ids)
    for n, (split, draw) in enumerate(fits):
        one = ranks_of(unit_rows(left[n]), unit_rows(right[n]), ids, split, draw)
        assert table.slice(12 * n, 12).equals(one)


def pyarrow_equal(table, column: str, value: str):  # type: ignore[no-untyped-def]
    import pyarrow.compute as pc

    return pc.equal(table[column], value)
