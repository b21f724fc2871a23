"""A generator on Ray Train: two workers, one of them killed, end like one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deadly import Deadly, send_by_value
from toy_pictures import toy_pictures

from cluster.training import train
from cluster.workflow.step import Emit, StepContext
from components.files import Folder
from components.generation.generator import Generator
from pipelines.steps.generator import GENERATOR, RESULT, ROWS

TOY = toy_pictures(96)
SETTINGS = {"kind": "gan", "side": 16, "width": 16, "epochs": 4, "batch": 32}


def _drawn(root: Path, name: str, emit: Emit, **options: Any) -> np.ndarray:
    folders = {"out": Folder.at(root / name).make(), "work": Folder.at(root / f"work-{name}").make()}
    empty: dict[str, Any] = {"inputs": {}, "config": {}, "locations": {}}
    ctx = StepContext(name=name, key=f"{name}-key", options=options, emit=emit, **folders, **empty)
    ctx.work.write_tensors(ROWS, {"pictures": TOY.pictures, "coordinates": TOY.coordinates})
    train("pipelines.steps.generator:train_loop", ctx, {"generator": SETTINGS, "seed": 0})
    generator = Generator.load(ctx.work.sub(RESULT).sub(GENERATOR))
    return generator.of_pictures(TOY.coordinates, seed=0).astype(float)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_two_workers_one_of_them_killed_draw_like_one_undisturbed(tmp_path: Path) -> None:
    send_by_value()
    alone = _drawn(tmp_path, "alone", lambda event: None, engine="local")
    killed = _drawn(tmp_path, "killed", Deadly(tmp_path), engine="ray", workers=2, cpus_per_worker=0.5)
    assert (tmp_path / "killed").exists() and Deadly(tmp_path).epochs == [1, 2, 3, 4]
    assert np.abs(killed - alone).mean() < 1  # of 255
