"""The teacher-plan step: maps that reproduce its ranks, resumption, and workers that change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from align_world import BASE, AlignWorld, make_world

from components.embeddings import Embeddings
from components.evaluation.retrieval import rank_partners
from components.transforms import load_transform
from pipelines.recipe import TeacherPlanBlock, load_recipe

SETTINGS = {"alphas": [1.0], "steps": [5], "block": 40, "blocks": 3, "dim": 8}


def run(world: AlignWorld, name: str, config: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """The step's facts."""
    config = {**BASE, "rows": 300, "settings": SETTINGS, **(config or {})}
    return world.run("teacher_plan", name, world.inputs("left", "right", "splits"), config, **options)


def test_maps_reproduce_the_ranks_and_every_trial_is_reported(tmp_path: Path) -> None:
    world = make_world(tmp_path, draws=2)
    facts = run(world, "step", {"controls": True, "hubness": "potential"}, engine="local")
    out, sides = world.root.sub("step"), world.mapped("step")
    primary = out.read_table("ranks.parquet").slice(0, len(sides[0]))["rank"].to_numpy()
    np.testing.assert_array_equal(primary, rank_partners(*sides).rank)
    assert len(out.read_json("diagnostics.json")) == facts["fits"] == 4 + facts["controls"] == 8
    assert facts["R@10"] > 2 * facts["R@10.shuffled-pairs"] and out.exists("bank/ranks.parquet")
    steps = {(d["alpha"], d["steps"]) for d in out.read_json("diagnostics.json")}
    assert steps <= {(0.0, 0), (0.0, 5), (1.0, 5)}


def test_a_started_run_goes_on_from_its_last_trial(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    seen: list[int] = []

    def stop(event: Any) -> None:
        if event["kind"] == "progress":
            seen.append(event["done"])
            if seen == [1, 2]:
                raise Stop

    world = make_world(tmp_path, draws=2)
    world.emit = stop
    with pytest.raises(Stop):
        run(world, "step", engine="local")
    run(world, "step", engine="local")
    assert seen == [1, 2, 3, 4]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_two_workers_of_ray_train_end_like_one_process(tmp_path: Path) -> None:
    world = make_world(tmp_path, draws=2)
    alone = run(world, "alone", engine="local")
    world.emit = lambda event: None
    together = run(world, "together", engine="ray", by_train=True, workers=2, cpus_per_worker=0.5)
    assert together == pytest.approx(alone, abs=1e-6)
    for side in ("left", "right"):
        rows = Embeddings.read(world.root.sub(side)).vectors
        one, two = (load_transform(world.root.sub(name), side)(rows) for name in ("alone", "together"))
        np.testing.assert_allclose(two, one, atol=1e-3)


def test_recipe_and_config_have_the_same_defaults(tmp_path: Path) -> None:
    from components.alignment.teacher_plan import TeacherPlan

    block = TeacherPlanBlock().model_dump()
    config = TeacherPlan()
    assert {k: v for k, v in block.items() if k != "rows"} == {k: getattr(config, k) for k in block if k != "rows"}
    assert load_recipe("emoji", ["teacher_plan.rows=30000"]).teacher_plan.many
