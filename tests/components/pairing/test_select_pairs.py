import numpy as np
import pytest
from pairing_corpora import shuffled

from components.alignment.kernel_ridge import KernelRidge
from components.alignment.preprocess import Standardizer
from components.alignment.protocol import Pairs
from components.corpora.worlds import World, make_world
from components.embeddings import Embeddings
from components.errors import UserError
from components.evaluation.retrieval import measure, rank_partners
from components.pairing.config import SELECTIONS, CoverageConfig
from components.pairing.selection import select_pairs
from components.pairing.sequential import SequentialConfig

WORLD = make_world("digits", num_pairs=300, num_heldout=200)
SEQUENTIAL = SequentialConfig(batch=10)


def choose(budget: int, how: str = "coverage", side: str = "left", seed: int = 0) -> list[tuple[str, str]]:
    return select_pairs(
        WORLD.pairs, WORLD.left, WORLD.right, budget, how=how, side=side, seed=seed, sequential=SEQUENTIAL
    )


@pytest.mark.parametrize("side", ["left", "right", "both"])
@pytest.mark.parametrize("how", SELECTIONS)
def test_smaller_budgets_are_beginnings_and_all_are_of_the_pool(how: str, side: str) -> None:
    larger = choose(45, how, side)
    assert len(set(larger)) == 45 and set(larger) <= set(WORLD.pairs)
    for budget in (3, 10, 28):
        assert choose(budget, how, side) == larger[:budget]


@pytest.mark.parametrize("how", SELECTIONS)
def test_only_ids_and_seed_decide(how: str) -> None:
    pool = [WORLD.pairs[n] for n in np.random.default_rng(0).permutation(len(WORLD.pairs))]
    again = select_pairs(
        pool, shuffled(WORLD.left, 1), shuffled(WORLD.right, 2), 30, how=how, side="both", sequential=SEQUENTIAL
    )
    assert again == choose(30, how, "both")


def test_seeds_draw_random_pairs_and_otherwise_only_samples_and_ties() -> None:
    assert len({*choose(30, "random", seed=1)} & {*choose(30, "random", seed=2)}) < 12
    plain = CoverageConfig(density=0.0)
    one, other = (select_pairs(WORLD.pairs, WORLD.left, WORLD.right, 30, seed=s, config=plain) for s in (1, 2))
    assert one == other


def test_both_sides_stand_for_a_pair_by_the_mean_of_their_cosines() -> None:
    """The plain greedy loop over the pool's pairs."""
    similar = []
    for side, place in ((WORLD.left, 0), (WORLD.right, 1)):
        rows = side.rows([pair[place] for pair in WORLD.pairs]).astype(np.float64) - side.vectors.mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        similar.append(rows @ rows.T)
    table, plain = np.exp(np.mean(similar, axis=0) - 1), []
    for _ in range(15):
        plain.append(max(set(range(300)) - set(plain), key=lambda r: table[[*plain, r]].max(axis=0).mean()))
    chosen = select_pairs(WORLD.pairs, WORLD.left, WORLD.right, 15, side="both", config=CoverageConfig(density=0.0))
    assert chosen == [WORLD.pairs[row] for row in plain]


def test_one_side_says_nothing_about_the_other() -> None:
    rng = np.random.default_rng(0)
    strangers = Embeddings(WORLD.right.ids, rng.normal(size=WORLD.right.vectors.shape).astype(np.float32))
    assert select_pairs(WORLD.pairs, WORLD.left, strangers, 30) == choose(30)
    assert select_pairs(WORLD.pairs, WORLD.left, strangers, 30, side="both") != choose(30, side="both")


def test_the_whole_pool_can_be_chosen_and_more_is_refused() -> None:
    assert sorted(choose(300)) == sorted(WORLD.pairs)
    with pytest.raises(UserError, match="larger than the pool of 300 pairs; set it to at most 300"):
        choose(301)
    with pytest.raises(UserError, match="at least 1"):
        choose(0)


def test_wrong_names_and_repeated_ids_are_refused() -> None:
    with pytest.raises(
        UserError, match="pairs_selection: 'best' is not allowed; choose from coverage, random, sequential"
    ):
        choose(3, "best")
    with pytest.raises(UserError, match="choose from left, right, both"):
        choose(3, side="top")
    twice = [*WORLD.pairs, (WORLD.pairs[0][0], WORLD.unpaired_right[0])]
    with pytest.raises(UserError, match="is in 2 pairs of the pool"):
        select_pairs(twice, WORLD.left, WORLD.right, 3)


def recall(world: World, pairs: list[tuple[str, str]]) -> float:
    """R@10 of kernel ridge on these pairs, mean of both directions."""
    maps = [
        Standardizer.fit(s.rows(ids))
        for s, ids in ((world.left, world.unpaired_left), (world.right, world.unpaired_right))
    ]

    def rows(of: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
        return maps[0](world.left.rows([a for a, _ in of])), maps[1](world.right.rows([b for _, b in of]))

    known, held = rows(pairs), rows(world.heldout)
    fitted = KernelRidge(sharpness=(3.0,), ridges=(0.5,)).fit(known[0][:0], known[1][:0], Pairs(*known))
    left, right = fitted.transform_left(held[0]), fitted.transform_right(held[1])
    return (measure(rank_partners(left, right)).recall[10] + measure(rank_partners(right, left)).recall[10]) / 2


def test_chosen_pairs_teach_more_than_random_ones() -> None:
    """On a world of 96 clusters: mean gain over seeds beyond twice its standard error, for either side."""
    gains: dict[str, list[float]] = {"left": [], "right": [], "both": [], "sequential": []}
    for seed in range(5):
        world = make_world("synth", seed, num_unpaired=300, num_pairs=600, num_heldout=300)
        reach = {*world.unpaired_left, *world.unpaired_right, *(i for pair in world.pairs for i in pair)}
        sides = [side.take([i for i in side.ids if i in reach]) for side in (world.left, world.right)]
        chance = np.mean([recall(world, select_pairs(world.pairs, *sides, 50, how="random", seed=s)) for s in range(4)])
        for side in ("left", "right", "both"):
            gains[side].append(recall(world, select_pairs(world.pairs, *sides, 50, side=side)) - chance)
        gains["sequential"].append(recall(world, select_pairs(world.pairs, *sides, 50, how="sequential")) - chance)
    for gain in gains.values():
        assert np.mean(gain) > 2 * np.std(gain, ddof=1) / np.sqrt(5) and np.mean(gain) > 0
