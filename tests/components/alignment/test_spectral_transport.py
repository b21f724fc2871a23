"""Maps taught by a transport plan: the teacher at zero rounds, gains on a curved world, memory of the sample only."""

import numpy as np
from few_pair_worlds import SmallWorld

from components.alignment.functional_map import FunctionalMap
from components.alignment.protocol import Pairs
from components.alignment.spectral_transport import SpectralTransport
from components.transforms import load_transform, save_transform


def test_a_round_brings_held_out_partners_nearer_on_curved_worlds() -> None:
    before, after = [], []
    for seed in range(5):
        world = SmallWorld("curved", pairs=12, unpaired=400, seed=seed)
        for rounds, into in ((0, before), (2, after)):
            fitted = SpectralTransport(dim=40, rounds=rounds).fit(world.left, world.right, world.pairs)
            into.append(world.foscttm(fitted))
    assert np.mean(after) < np.mean(before)
    assert np.mean(after) < 0.12


def test_without_a_share_of_unpaired_rows_only_the_pairs_teach() -> None:
    world = SmallWorld("curved", pairs=20)
    few, many = (SpectralTransport(dim=20, rounds=1, share=0.0, epsilon=e) for e in (0.1, 5.0))
    a, b = (c.fit(world.left, world.right, world.pairs).score(world.new.left, world.new.right) for c in (few, many))
    # the plan still sets how functional map and ridge are weighed, by spreads that do not depend on it
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_shuffled_pairs_teach_nothing() -> None:
    values = []
    for seed in range(5):
        world = SmallWorld("curved", pairs=40, seed=seed)
        order = np.random.default_rng(seed).permutation(40)
        wrong = Pairs(world.pairs.left, world.pairs.right[order])
        values.append(world.foscttm(SpectralTransport(dim=30).fit(world.left, world.right, wrong)))
    assert abs(np.mean(values) - 0.5) < 0.15


def test_order_of_the_pairs_does_not_matter_and_same_seed_same_map() -> None:
    world = SmallWorld("curved", pairs=20)
    config = SpectralTransport(dim=20)
    a = config.fit(world.left, world.right, world.pairs).score(world.new.left, world.new.right)
    again = config.fit(world.left, world.right, world.pairs.take(np.arange(20)[::-1]))
    np.testing.assert_allclose(again.score(world.new.left, world.new.right), a, atol=1e-4)


def test_the_maps_survive_the_disk(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from components.files import Folder

    world = SmallWorld("curved", pairs=20)
    fitted = SpectralTransport(dim=20).fit(world.left, world.right, world.pairs)
    folder = Folder.at(tmp_path)
    save_transform(folder, "left", fitted.left)
    loaded = load_transform(folder, "left")
    np.testing.assert_array_equal(loaded(world.new.left), fitted.transform_left(world.new.left))


def test_ranks_stand_for_eigenvalues_in_the_functional_map() -> None:
    """One side with much more noise: its spectrum is another, its order of eigenvectors the same."""
    rng = np.random.default_rng(3)
    t = rng.uniform(0, 1, 900)
    sides = []
    for seed, noise in ((1, 0.02), (2, 0.6)):
        own = np.random.default_rng(seed)
        waves = np.cos(t[:, None] * own.normal(size=(1, 60)) * 60 + own.uniform(0, 2 * np.pi, 60))
        sides.append(waves + noise * rng.normal(size=(900, 60)))
    left, right = sides[0][:400], sides[1][400:800]
    pairs, new = Pairs(sides[0][800:820], sides[1][800:820]), Pairs(sides[0][820:], sides[1][820:])
    fitted = FunctionalMap(dims=(40,)).fit(left, right, pairs)
    scores = fitted.score(new.left, new.right)
    closer = (scores > np.diag(scores)[:, None]).mean()
    assert closer < 0.15
