"""The spectral step: coordinates of all rows by id, a map that makes them, fitted on unpaired rows only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from align_world import AlignWorld, make_world

from components.embeddings import Embeddings
from components.transforms import load_transform

NET = {"widths": [32, 32], "batch": 128, "learning_rate": 1e-3, "epochs": 2}
GRAPH = {"neighbours": 10, "scale_k": 5, "scale": "local", "components": "bridge"}
CONFIG: dict[str, Any] = {"preprocess": {"pca_dim": 12}, "seed": 0, "side": "left", "dim": 6, "graph": GRAPH}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> AlignWorld:
    return make_world(tmp_path_factory.mktemp("spectral"))


def _run(world: AlignWorld, solver: str, name: str, **changes: Any) -> dict[str, Any]:
    config = {**CONFIG, "solver": solver, **({"spectralnet": NET} if solver == "spectralnet" else {}), **changes}
    return world.run("spectral", name, world.inputs("splits", embeddings="left"), config, engine="local")


@pytest.mark.parametrize("solver", ["eigen", "spectralnet"])
def test_all_rows_get_the_coordinates_of_the_saved_map(world: AlignWorld, solver: str) -> None:
    facts = _run(world, solver, f"done-{solver}")
    out, rows = world.root.sub(f"done-{solver}"), Embeddings.read(world.root.sub("left"))
    found = Embeddings.read(out)
    assert sorted(found.ids) == sorted(rows.ids) and found.dim == 6
    np.testing.assert_allclose(load_transform(out, "map")(rows.rows(found.ids)), found.vectors, atol=1e-5)
    spectrum = out.read_json("spectrum.json")
    assert spectrum["fit_rows"] == facts["fit_rows"] == len(world.splits.unpaired_left)
    assert spectrum["components"] == 1 and spectrum["solver"] == solver and 1 <= spectrum["gap_index"] <= 6
    assert (
        spectrum["eigenvalues"] == sorted(spectrum["eigenvalues"], reverse=True) and len(spectrum["eigenvalues"]) == 6
    )


def test_rows_that_are_held_out_do_not_change_the_map(world: AlignWorld, tmp_path: Path) -> None:
    other = make_world(tmp_path)
    rows = Embeddings.read(other.root.sub("left"))
    fitted = set(other.splits.unpaired_left)
    noise = np.random.default_rng(3).standard_normal(rows.vectors.shape).astype(np.float32)
    changed = np.array([[0.0] if i in fitted else [1.0] for i in rows.ids], np.float32) * noise
    assert (changed != 0).any()
    Embeddings(rows.ids, rows.vectors + changed).write(other.root.sub("left"))
    for w in (world, other):
        _run(w, "eigen", "fit-only")
    probe = rows.vectors[:40]
    maps = [load_transform(w.root.sub("fit-only"), "map")(probe) for w in (world, other)]
    assert (maps[0] == maps[1]).all()


def test_order_of_rows_does_not_matter(world: AlignWorld, tmp_path: Path) -> None:
    other = make_world(tmp_path, shuffle=True)
    for w in (world, other):
        _run(w, "eigen", "ordered")
    one, two = (Embeddings.read(w.root.sub("ordered")) for w in (world, other))
    np.testing.assert_allclose(two.rows(one.ids), one.vectors, atol=1e-3)


def test_a_graph_in_parts_is_noted_and_bridged(world: AlignWorld, tmp_path: Path) -> None:
    other = make_world(tmp_path)
    rows = Embeddings.read(other.root.sub("left"))
    far = np.array([[200.0 if int(i[1:]) % 2 else -200.0] for i in rows.ids], np.float32)
    far = far * np.random.default_rng(0).standard_normal((1, rows.dim)).astype(np.float32)
    Embeddings(rows.ids, rows.vectors + far).write(other.root.sub("left"))
    facts = _run(other, "eigen", "parts")
    assert facts["parts"] == 2 and any("2 parts" in note for note in other.notes)
    assert facts["lambda_1"] > 0.99 and facts["gap"] == 1
