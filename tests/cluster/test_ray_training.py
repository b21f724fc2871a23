"""Training on Ray Train: a killed worker goes on from its last epoch, and two workers end like one without Ray."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from align_world import AlignWorld, make_world
from deadly import Deadly, send_by_value

from cluster.training import Reporter, Scaling, failure_config, scaling_config, worker_device
from cluster.workflow.step import Emit, StepContext
from components.embeddings import Embeddings
from components.errors import UserError
from pipelines.steps import spectral

CONFIG: dict[str, Any] = {
    "preprocess": {"pca_dim": 12}, "seed": 0, "side": "left", "dim": 4, "solver": "spectralnet",
    "graph": {"neighbours": 10, "scale_k": 5},
    "spectralnet": {"widths": [16], "batch": 128, "learning_rate": 1e-3, "epochs": 4},
}  # fmt: skip


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
    send_by_value()
    world = make_world(tmp_path)
    undisturbed = spectral.run(_context(world, "alone", lambda event: None, engine="local"))
    facts = spectral.run(_context(world, "killed", Deadly(tmp_path), engine="ray", workers=2, cpus_per_worker=0.5))
    assert (tmp_path / "killed").exists()
    assert Deadly(tmp_path).epochs == [1, 2, 3, 4]  # no epoch was lost, none done twice
    assert facts["loss"] == pytest.approx(undisturbed["loss"], rel=1e-3)
    one, two = (Embeddings.read(world.root.sub(name)) for name in ("alone", "killed"))
    np.testing.assert_allclose(two.rows(one.ids), one.vectors, atol=0.02)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_failed_run_started_again_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    send_by_value()
    world, emit = make_world(tmp_path), Deadly(tmp_path)
    with pytest.raises(UserError, match="training failed"):
        spectral.run(_context(world, "step", emit, engine="ray", max_failures=0))
    assert Deadly(tmp_path).epochs == [1, 2]
    again = spectral.run(_context(world, "step", emit, engine="ray", max_failures=0))
    assert Deadly(tmp_path).epochs == [1, 2, 3, 4]
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


def test_elastic_and_preemptible_workers_as_ray_train_takes_them() -> None:
    fixed, elastic = Scaling(workers=4, max_failures=2), Scaling(workers=4, min_workers=1, max_preemptions=7)
    assert (scaling_config(fixed).num_workers, scaling_config(elastic).num_workers) == (4, (1, 4))
    assert (fixed.fewest, elastic.fewest) == (4, 1)
    assert (failure_config(fixed).max_failures, failure_config(fixed).max_preemption_failures) == (2, -1)
    assert failure_config(elastic).max_preemption_failures == 7
    gpus = scaling_config(Scaling(workers=4, gpus_per_worker=1.0))
    assert (gpus.use_gpu, gpus.resources_per_worker) == (True, {"CPU": 1.0, "GPU": 1.0})
    assert not scaling_config(fixed).use_gpu


def test_a_gpu_that_torch_does_not_see_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    given = torch.device("cuda", 1)
    for seen, expected in ((None, "cpu"), (torch.device("cuda"), "cuda"), (torch.device("mps"), "cpu")):
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available, seen=seen: seen)
        assert worker_device(given).type == expected


def test_reports_and_options() -> None:
    events: list[Any] = []
    Reporter("spectral-left", events.append)(3, {"loss": 0.5})
    assert [(e["kind"], e.get("value"), e.get("index", e.get("done"))) for e in events] == [
        ("metric", 0.5, 3),
        ("progress", None, 3),
    ]
    assert Scaling.of({"workers": 2, "encode_batch": 32}) == Scaling(workers=2)
