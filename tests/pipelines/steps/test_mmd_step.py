"""The MMD step: moves the CCA step's coordinates; its maps reproduce its ranks."""

from __future__ import annotations

import numpy as np
import pytest
from align_world import AlignWorld, make_world

from components.evaluation.retrieval import rank_partners

CONFIG = {"seed": 0, "widths": [16, 16], "batch": 64, "learning_rate": 1e-3, "epochs": 3, "pair_weight": 0.0}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> AlignWorld:
    world = make_world(tmp_path_factory.mktemp("mmd"), draws=2)
    world.run("cca", "cca", world.spectral(), {"seed": 0, "dim": 4, "ridge": None})
    world.facts = world.run("mmd", "mmd", world.inputs(shared="cca"), CONFIG, engine="local")  # type: ignore[attr-defined]
    return world


def test_maps_from_encoder_rows_reproduce_the_ranks(done: AlignWorld) -> None:
    sides = done.mapped("mmd")
    np.testing.assert_allclose(np.linalg.norm(np.stack(sides), axis=2), 1, atol=1e-5)
    primary = done.root.sub("mmd").read_table("ranks.parquet").slice(0, len(sides[0]))["rank"].to_numpy()
    np.testing.assert_allclose(primary, rank_partners(*sides).rank, atol=1)
    assert primary.mean() < 20  # chance 50.5


def test_every_fit_is_reported(done: AlignWorld) -> None:
    out = done.root.sub("mmd")
    about, mmd = done.root.sub("cca").read_json("shared.json"), out.read_json("mmd.json")
    assert len(mmd["before"]) == len(mmd["after"]) == len(about["fits"]) == 4
    assert out.read_table("ranks.parquet").num_rows == 4 * 2 * len(done.splits.heldout)
    assert done.facts["mmd2_after"] == pytest.approx(np.mean(mmd["after"]))  # type: ignore[attr-defined]
    assert [d["best_epoch"] <= 3 for d in out.read_json("diagnostics.json")] == [True] * 4
