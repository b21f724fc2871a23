"""Aligners by name: everything known fits, everything unknown is named."""

import subprocess
import sys

import pytest

from components.alignment.registry import BASELINES, METHODS, find_method, make_aligner
from components.alignment.ridge_cca import RidgeCCA
from components.errors import UserError


def test_every_method_builds_with_its_defaults_and_baselines_are_among_them() -> None:
    for name in METHODS:
        assert callable(make_aligner(name).fit)
    assert set(BASELINES) <= set(METHODS) and not any(METHODS[b].spectral for b in BASELINES)


def test_defaults_settings_and_seed_reach_the_config() -> None:
    assert make_aligner("eigen-cca", seed=4) == RidgeCCA(dim=8, scale=True, seed=4)
    assert make_aligner("eigen-cca", {"dim": 20}) == RidgeCCA(dim=20, scale=True)
    assert make_aligner("procrustes", seed=4) == make_aligner("procrustes", seed=5)  # nothing random in it


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="'warp' is not allowed; choose from ridge-cca, procrustes"):
        find_method("warp")
    with pytest.raises(UserError, match="'width' is not a setting of ridge-cca; choose from dim, gamma, ridge"):
        make_aligner("ridge-cca", {"width": 3})
    with pytest.raises(UserError, match=r"ridge-cca\.ridge: -1 is not allowed"):
        make_aligner("ridge-cca", {"ridge": -1})


def test_validating_a_recipe_needs_no_torch() -> None:
    code = (
        "import sys, components.alignment.registry as r; r.make_aligner('contrastive'); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
