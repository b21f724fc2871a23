import numpy as np
import pytest
from pairing_corpora import clusters, corpus, shuffled

from components.embeddings import Embeddings
from components.errors import UserError
from components.pairing.config import METHODS, CoverageConfig
from components.pairing.suggest import suggest

LEFT, _ = clusters([500, 300, 150, 50, 20], spread=0.5)
RIGHT = corpus(np.random.default_rng(5).normal(size=(700, 6)), "r")


def config(method: str = "facility-location", *, shards: bool = False, seed: int = 0) -> CoverageConfig:
    return CoverageConfig(method=method, shard_rows=512 if shards else 8192, seed=seed)


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_does_not_matter(method: str, shards: bool) -> None:
    given = config(method, shards=shards)
    one = suggest(LEFT, RIGHT, 12, side="both", config=given)
    other = suggest(shuffled(LEFT, 1), shuffled(RIGHT, 2), 12, side="both", config=given)
    assert one.ids == other.ids and one.sides == other.sides
    assert np.allclose(one.gains, other.gains, atol=1e-6)


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_smaller_budgets_are_beginnings_of_larger_ones(side: str, shards: bool) -> None:
    larger = suggest(LEFT, RIGHT, 16, side=side, config=config(shards=shards))
    for budget in (1, 5, 9):
        smaller = suggest(LEFT, RIGHT, budget, side=side, config=config(shards=shards))
        assert smaller.ids == larger.ids[:budget] and smaller.sides == larger.sides[:budget]


def test_two_rounds_cover_nearly_as_much_as_one() -> None:
    rows, _ = clusters([5 * n for n in range(1, 41)], dim=40, spread=0.3)
    one = suggest(rows, rows, 30, config=CoverageConfig(density=0.0))
    two = suggest(rows, rows, 30, config=CoverageConfig(density=0.0, shard_rows=512))
    by_chance = [rows.ids[n] for n in np.random.default_rng(0).choice(len(rows), 30, replace=False)]
    known = suggest(rows, rows, 1, config=CoverageConfig(density=0.0), known=[(i, i) for i in by_chance])
    assert two.coverage[-1] > one.coverage[-1] - 0.1 * (one.coverage[-1] - known.start_coverage["left"])
    assert one.ids != two.ids  # two rounds there were


def test_both_sides_alternate_and_are_chosen_apart() -> None:
    both = suggest(LEFT, RIGHT, 7, side="both")
    assert both.sides == ["left", "right"] * 3 + ["left"]
    assert both.of("left") == suggest(LEFT, RIGHT, 4).ids
    assert both.of("right") == suggest(LEFT, RIGHT, 3, side="right").ids


def test_going_on_from_known_pairs_continues_the_choice() -> None:
    first = suggest(LEFT, RIGHT, 10)
    known = [(i, RIGHT.ids[n]) for n, i in enumerate(first.ids[:6])]
    more = suggest(LEFT, RIGHT, 4, known=known)
    assert more.ids == first.ids[6:]
    assert more.start_coverage["left"] == pytest.approx(first.coverage[5])
    assert more.coverage == pytest.approx(first.coverage[6:])


def test_half_precision_chooses_alike() -> None:
    half = Embeddings(LEFT.ids, LEFT.vectors.astype(np.float16))
    assert suggest(half, RIGHT, 5).ids == suggest(Embeddings(LEFT.ids, half.vectors.astype(np.float32)), RIGHT, 5).ids


def test_other_seeds_sample_other_shards() -> None:
    assert (
        suggest(LEFT, RIGHT, 12, config=config(shards=True)).ids
        != suggest(LEFT, RIGHT, 12, config=config(shards=True, seed=1)).ids
    )


def test_what_cannot_be_chosen_from_is_refused() -> None:
    with pytest.raises(UserError, match="701 are asked for and only 700"):
        suggest(LEFT, RIGHT, 701, side="right")
    with pytest.raises(UserError, match="only 698"):
        suggest(LEFT, RIGHT, 699, side="right", known=[(LEFT.ids[n], RIGHT.ids[n]) for n in range(2)])
    with pytest.raises(UserError, match="all 20 rows are equal"):
        suggest(corpus(np.ones((20, 3))), RIGHT, 2)
    with pytest.raises(UserError, match="no rows"):
        suggest(corpus(np.zeros((0, 3))), RIGHT, 2)
    with pytest.raises(UserError, match=r"row 'i00003' has a NaN"):
        suggest(
            corpus(np.where(np.arange(10)[:, None] == 3, np.nan, np.random.default_rng(0).normal(size=(10, 2)))),
            RIGHT,
            2,
        )
    with pytest.raises(UserError, match="nobody"):
        suggest(LEFT, RIGHT, 2, known=[("nobody", RIGHT.ids[0])])
    with pytest.raises(UserError, match="choose from left, right, both"):
        suggest(LEFT, RIGHT, 2, side="top")
    with pytest.raises(UserError, match="at least 1"):
        suggest(LEFT, RIGHT, 0)


@pytest.mark.parametrize(
    "field",
    [{"method": "luck"}, {"sharpness": 0.0}, {"density": 3.0}, {"ridge": 0.0}, {"shard_rows": 2}, {"max_targets": 0}],
)
def test_impossible_settings_are_refused(field: dict) -> None:
    with pytest.raises(UserError, match=next(iter(field))):
        CoverageConfig(**field)


def test_random_items_are_told_beside_the_chosen_ones() -> None:
    both = suggest(LEFT, RIGHT, 9, side="both")
    assert {side: len(values) for side, values in both.random_coverage.items()} == {"left": 5, "right": 4}
    for side, values in both.random_coverage.items():
        chosen = [c for c, s in zip(both.coverage, both.sides, strict=True) if s == side]
        assert values == sorted(values) and values[-1] < chosen[-1]
