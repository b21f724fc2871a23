"""The cca step on coordinates of a known map: maps, correlations with bands, and the MMD net's input."""

import numpy as np
import pytest
from align_world import AlignWorld, make_world

from components.errors import UserError
from components.evaluation.retrieval import rank_partners
from components.transforms import unit_rows

CONFIG = {"seed": 0, "dim": 4, "ridge": None}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> AlignWorld:
    world = make_world(tmp_path_factory.mktemp("cca"))
    world.run("cca", "cca", world.spectral(), CONFIG)
    return world


def test_maps_from_encoder_rows_reproduce_the_ranks(done: AlignWorld) -> None:
    sides = done.mapped("cca")
    np.testing.assert_allclose(np.linalg.norm(np.stack(sides), axis=2), 1, atol=1e-5)
    primary = done.root.sub("cca").read_table("ranks.parquet").slice(0, len(sides[0]))["rank"].to_numpy()
    np.testing.assert_allclose(primary, rank_partners(*sides).rank, atol=1)
    assert primary.mean() < 15  # chance 50.5


def test_shared_tensors_hold_every_fit_in_order_of_shared_json(done: AlignWorld) -> None:
    out = done.root.sub("cca")
    tensors, about, s = out.read_tensors("shared.safetensors"), out.read_json("shared.json"), done.splits
    assert {k: v.shape for k, v in tensors.items()} == {
        "left.unpaired": (10, len(s.unpaired_left), 4),
        "right.unpaired": (10, len(s.unpaired_right), 4),
        "left.pairs": (10, 40, 4),
        "right.pairs": (10, 40, 4),
        "left.heldout": (10, 100, 4),
        "right.heldout": (10, 100, 4),
    }
    assert about["fits"] == [{"split": n, "draw": d} for n in ("random", "group") for d in range(5)]
    assert about["heldout"] == [list(p) for p in s.heldout]
    ranks = out.read_table("ranks.parquet")["rank"].to_numpy().reshape(10, 2, 100)
    for fit in range(10):
        left, right = (unit_rows(tensors[f"{side}.heldout"][fit]) for side in ("left", "right"))
        np.testing.assert_array_equal(rank_partners(left, right).rank, ranks[fit, 0])


def test_correlations_come_with_heldout_values_and_a_permutation_band(done: AlignWorld) -> None:
    first, *others = done.root.sub("cca").read_json("diagnostics.json")
    inside, outside = np.array(first["canonical_correlations"]), np.array(first["heldout_correlations"])
    band = first["null"]
    assert (inside > band["in_sample"]["high"]).all()  # twelve true dimensions, four kept
    assert outside[0] > max(0.6, band["heldout"]["high"][0]) and len(outside) == 4
    assert len(others) == 9 and all("heldout_correlations" in o and "null" not in o for o in others)


def test_more_dimensions_than_pairs_is_refused(done: AlignWorld) -> None:
    with pytest.raises(UserError, match="40 pairs are too few for 40 CCA dimensions"):
        done.run(
            "cca",
            "too-many",
            done.inputs("splits", left="spectral-left", right="spectral-right"),
            {**CONFIG, "dim": 40},
        )
