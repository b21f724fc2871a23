"""Step ``spaces``: the maps of every draw are those of the method's own step, and shuffled pairs give others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from align_world import BASE, AlignWorld, make_world

from components.embeddings import Embeddings
from components.evaluation.controls import SHUFFLED
from components.transforms import load_transform
from pipelines.steps.spaces import Spaces

ENCODED = {"encode-left": "left", "encode-right": "right"}


def rows(world: AlignWorld) -> np.ndarray:
    return Embeddings.read(world.root.sub("left")).vectors


def check(world: AlignWorld, method: str, own: str) -> Spaces:
    """The primary draw's maps equal those of the method's step; others do not."""
    spaces, x = Spaces.read(world.root.sub("spaces")), rows(world)
    expected = load_transform(world.root.sub(own), "left")(x)
    fits = spaces.fits(method)
    assert len(fits) == spaces.num_draws == 2
    assert np.allclose(fits[0].left(x), expected, atol=1e-5)
    for changed in (fits[1], spaces.fits(method, SHUFFLED)[0]):
        assert not np.allclose(changed.left(x)[:, :4], expected[:, :4], atol=1e-2)
    return spaces


@pytest.mark.parametrize("method", ["kernel-ridge", "ridge-cca"])
def test_a_method_is_fitted_as_in_its_own_step(tmp_path: Path, method: str) -> None:
    world = make_world(tmp_path, draws=2, n=300)
    world.fit(method)
    config = {**BASE, "method": method, "exported": method}
    world.run("spaces", "spaces", world.inputs("splits", **ENCODED), config)
    spaces = check(world, method, f"fit-{method}")
    assert spaces.methods == list(dict.fromkeys([method, "ridge-cca"]))


def test_the_bank_comes_along(tmp_path: Path) -> None:
    world = make_world(tmp_path, draws=2, n=300)
    world.fit("kernel-ridge", hubness="csls")
    config = {**BASE, "method": "kernel-ridge", "exported": "kernel-ridge+bank", "hubness": "csls"}
    world.run("spaces", "spaces", world.inputs("splits", **ENCODED), config)
    check(world, "kernel-ridge+bank", "fit-kernel-ridge/bank")


def test_auto_is_not_fitted_again(tmp_path: Path) -> None:
    world = make_world(tmp_path, draws=2, n=300)
    world.auto("csa", "kernel-ridge")
    inputs = world.inputs("splits", rows="auto-rows", views="auto-views", **ENCODED)
    inputs |= {f"candidate:{n}": world.root.sub(f"auto-{n}") for n in ("csa", "kernel-ridge")}
    settings = {"candidates": ["csa", "kernel-ridge"], "controls": True}
    world.run("spaces", "spaces", inputs, {**BASE, "method": "auto", "exported": "auto", **settings})
    assert check(world, "auto", "fit-auto").methods == ["auto", "ridge-cca"]
