"""The table of methods: exact on ranks made by hand, intervals over draws, one draw falls back to its queries."""

import numpy as np
import pyarrow as pa
import pytest

from components.evaluation.retrieval import RANKS_SCHEMA
from components.evaluation.summary import group_ranks, recall_curve, summarise, summarise_chance, tabulate

GALLERY = 20


def table(ranks: dict[tuple[str, int, str, str], list[float]]) -> pa.Table:
    """Key: split, draw, control, direction."""
    rows = [
        dict(
            zip(
                RANKS_SCHEMA.names,
                [*key, f"{key[3][0]}{n}", rank, (rank - 1) / (GALLERY - 1), GALLERY],
                strict=True,
            )
        )
        for key, values in ranks.items()
        for n, rank in enumerate(values)
    ]
    return pa.Table.from_pylist(rows, schema=RANKS_SCHEMA)


def two_draws(split: str = "random", control: str = "none") -> dict[tuple[str, int, str, str], list[float]]:
    return {
        (split, 0, control, "left_to_right"): [1, 1, 6, 20],
        (split, 1, control, "left_to_right"): [1, 3, 11, 20],
        (split, 0, control, "right_to_left"): [1, 1, 1, 1],
        (split, 1, control, "right_to_left"): [2, 2, 2, 2],
    }


def test_means_over_draws_and_directions() -> None:
    found = summarise(group_ranks(table(two_draws()))["random", "none"])
    forth = found["left_to_right"]
    assert (forth["R@1"], forth["R@5"], forth["R@10"]) == (37.5, 50, 62.5)
    assert (forth["median_rank"], forth["gallery"], forth["draws"]) == (5.25, GALLERY, 2)
    assert forth["foscttm"] == pytest.approx((24 + 31) / 4 / 19 / 2)
    assert found["mean"]["R@1"] == (75 + 12.5) / 2
    low, high = forth["ci95"]["R@10"]
    assert 0 <= low < 62.5 < high <= 100  # cut to what a percentage can be


def test_interval_of_a_constant_is_a_point() -> None:
    ranks = {("random", d, "none", side): [1.0, 2.0] for d in range(5) for side in ("left_to_right", "right_to_left")}
    found = summarise(group_ranks(table(ranks))["random", "none"])
    assert found["mean"]["ci95"]["R@1"] == [50, 50]


def test_one_draw_is_resampled_by_query() -> None:
    rng = np.random.default_rng(0)
    ranks = {
        ("random", 0, "none", side): list(rng.integers(1, 20, 100) * 1.0) for side in ("left_to_right", "right_to_left")
    }
    found = summarise(group_ranks(table(ranks))["random", "none"])["left_to_right"]
    low, high = found["ci95"]["R@10"]
    assert low < found["R@10"] < high and 10 < high - low < 30  # 4 binomial sd of 100 queries: 20
    assert found["draws"] == 1


def test_curve_rises_to_all_and_agrees_with_the_table() -> None:
    draws = group_ranks(table(two_draws()))["random", "none"]
    curve = recall_curve(draws)["mean"]
    means = [i.mean for i in curve]
    assert len(curve) == GALLERY and means == sorted(means) and means[-1] == 100
    assert means[9] == summarise(draws)["mean"]["R@10"]


def test_tables_of_all_methods() -> None:
    good = table(two_draws() | two_draws("group") | two_draws(control="shuffled-pairs"))
    found = tabulate({"a": good, "b": table(two_draws())}, "random")
    assert list(found.retrieval) == ["chance", "a", "b"]
    assert found.retrieval is found.splits["random"]["retrieval"]
    assert list(found.splits["group"]["retrieval"]) == ["chance", "a"]
    assert list(found.controls) == ["shuffled-pairs"] and list(found.controls["shuffled-pairs"]) == ["a"]
    assert found.retrieval["chance"] == summarise_chance(GALLERY)
    assert found.retrieval["chance"]["mean"]["R@10"] == 50
    assert found.retrieval["chance"]["mean"]["ci95"]["R@10"] == [50, 50]
    curves = found.curves.to_pylist()
    assert {(r["split"], r["method"]) for r in curves} == {
        ("random", "a"), ("random", "b"), ("random", "chance"), ("group", "a"), ("group", "chance")
    }  # fmt: skip
    queries = found.queries.to_pylist()
    assert len(queries) == 16 and {r["method"] for r in queries} == {"a", "b"}
    assert [r["rank"] for r in queries[:4]] == [1, 1, 6, 20]  # draw 0
