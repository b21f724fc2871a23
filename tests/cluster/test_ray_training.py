"""Training on Ray Train: a killed worker goes on from its last epoch, and two workers end like one without Ray."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from align_world import AlignWorld, make_world

from cluster.training import Reporter, Scaling
from cluster.workflow.step import Emit, StepContext
from components.embeddings import Embeddings
from components.errors import UserError
from pipelines.steps import spectral

CONFIG: dict[str, Any] = {
    "preprocess": {"pca_dim": 12}, "seed": 0, "side": "left", "dim": 4, "solver": "spectralnet",
    "graph": {"neighbours": 10, "scale_k": 5},
    "spectralnet": {"widths": [16], "batch": 128, "learning_rate": 1e-3, "epochs": 4},
}  # fmt: skip


class Deadly:
    """Notes every epoch in a file; kills its own process after epoch 2, once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, event: Mapping[str, Any]) -> None:
        if event["kind"] != "progress":
            return
        with (self.folder / "epochs").open("a") as log:
            log.write(f"{event['done']} ")
        if event["done"] == 2 and not (self.folder / "killed").exists():
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)


def _context(world: AlignWorld, name: str, emit: Emit, **options: Any) -> StepContext:
    folders = {"out": world.root.sub(name).make(), "work": world.root.sub(f"work-{name}")}
    inputs = world.inputs("splits", embeddings="left")
    return StepContext(
        name=name, key=f"{name}-key", inputs=inputs, config=CONFIG, locations={}, options=options, emit=emit, **folders
    )


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_two_workers_one_of_them_killed_end_like_one_undisturbed_without_ray(tmp_path: Path) -> None:
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    world = make_world(tmp_path)
    undisturbed = spectral.run(_context(world, "alone", lambda event: None, engine="local"))
    facts = spectral.run(_context(world, "killed", Deadly(tmp_path), engine="ray", workers=2, cpus_per_worker=0.5))
    assert (tmp_path / "killed").exists()
    assert (tmp_path / "epochs").read_text().split() == ["1", "2", "3", "4"]  # no epoch was lost, none done twice
    assert facts["loss"] == pytest.approx(undisturbed["loss"], rel=1e-3)
    one, two = (Embeddings.read(world.root.sub(name)) for name in ("alone", "killed"))
    np.testing.assert_allclose(two.rows(one.ids), one.vectors, atol=0.02)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_failed_run_started_again_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    world, emit = make_world(tmp_path), Deadly(tmp_path)
    with pytest.raises(UserError, match="training failed"):
        spectral.run(_context(world, "step", emit, engine="ray", max_failures=0))
    assert (tmp_path / "epochs").read_text().split() == ["1", "2"]
    again = spectral.run(_context(world, "step", emit, engine="ray", max_failures=0))
    assert (tmp_path / "epochs").read_text().split() == ["1", "2", "3", "4"]
    undisturbed = spectral.run(_context(world, "alone", lambda event: None, engine="local"))
    assert again["loss"] == pytest.approx(undisturbed["loss"], rel=1e-3)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_more_workers_than_the_cluster_has_cpus_are_refused_at_once(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with pytest.raises(UserError, match="64 workers need 64 CPUs"):
        spectral.run(_context(world, "many", lambda event: None, engine="ray", workers=64))


def test_local_engine_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(event: Mapping[str, Any]) -> None:
        if event["kind"] == "progress" and event["done"] == 3:
            raise Stop

    world = make_world(tmp_path)
    with pytest.raises(Stop):
        spectral.run(_context(world, "step", stop, engine="local"))
    epochs: list[int] = []
    resumed = spectral.run(
        _context(world, "step", lambda e: epochs.append(e["done"]) if e["kind"] == "progress" else None, engine="local")
    )
    assert epochs == [4]
    whole = spectral.run(_context(world, "whole", lambda event: None, engine="local"))
    assert resumed["loss"] == whole["loss"]


def test_reports_and_options() -> None:
    events: list[Any] = []
    Reporter("spectral-left", events.append)(3, {"loss": 0.5})
    assert [(e["kind"], e.get("value"), e.get("index", e.get("done"))) for e in events] == [
        ("metric", 0.5, 3),
        ("progress", None, 3),
    ]
    assert Scaling.of({"workers": 2, "encode_batch": 32}) == Scaling(workers=2)
