"""A bundle keeps JSON and arrays apart by name and part, in one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.bundle import Bundle
from components.files import Folder
from components.transforms import Linear, load_transform, save_transform


def test_one_file_gives_back_what_went_in(tmp_path: Path) -> None:
    folder, bundle = Folder.at(tmp_path), Bundle()
    bundle.write_json("a.json", {"x": [1, "é"]})
    bundle.sub("left").write_tensors("t.safetensors", {"w": np.eye(2, dtype=np.float32), "none": np.zeros((0, 3))})
    bundle.sub("right").write_tensors("t.safetensors", {"w": np.ones(3)})
    bundle.save(folder, "all.safetensors")
    assert [f.name for f in folder.files()] == ["all.safetensors"]
    back = Bundle.load(folder, "all.safetensors")
    assert back.read_json("a.json") == {"x": [1, "é"]}
    assert "a.json" in back and "a.json" not in back.sub("left")
    left = back.sub("left").read_tensors("t.safetensors")
    assert set(left) == {"w", "none"} and left["none"].shape == (0, 3)
    np.testing.assert_array_equal(back.sub("right").read_tensors("t.safetensors")["w"], np.ones(3))


def test_transforms_are_kept_in_bundles_as_in_folders() -> None:
    bundle, rows = Bundle(), np.random.default_rng(0).normal(size=(4, 3))
    kept = Linear(rows.mean(axis=0), rows[:, :2].T @ rows)
    save_transform(bundle, "map", Linear(np.zeros(2), kept.weight))
    np.testing.assert_array_equal(load_transform(bundle, "map")(rows[:, :2]), rows[:, :2].astype(float) @ kept.weight)
