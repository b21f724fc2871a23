"""The small bridge on Ray, its sum in parts: the same numbers as in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bridge_recipe_world import folder_of, metrics_of, run, write_bridge_world


@pytest.mark.ray
@pytest.mark.slow
def test_ray_and_one_process_agree(ray_cluster: None, tmp_path: Path, make_home: Callable[[Path], Path]) -> None:
    world = write_bridge_world(tmp_path / "world")
    homes = {name: make_home(tmp_path / name) for name in ("ray", "alone")}
    for name, home in homes.items():
        more = ("scaling.bridge_shards=3", "splits.draws=1") if name == "ray" else ("splits.draws=1",)
        code, text = run(world, home, *more, use_ray=name == "ray")
        assert code == 0, text
    on_ray, alone = (folder_of(h, "score-aligned").read_tensors("scores.safetensors") for h in homes.values())
    np.testing.assert_allclose(on_ray["monte-carlo"], alone["monte-carlo"], atol=1e-9, rtol=0)
    assert metrics_of(homes["ray"])["retrieval"] == metrics_of(homes["alone"])["retrieval"]
