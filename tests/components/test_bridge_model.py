"""The exported bridge: which space serves which question, scores by hand, and a folder that comes back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from serving_world import NAMES, TEXTS, colour_bridge, png

from components.bridge_model import OPPOSITE, SEATS, BridgeModel
from components.errors import UserError
from components.files import Folder


@pytest.fixture(scope="module")
def model() -> BridgeModel:
    return colour_bridge()


def test_every_question_has_its_space(model: BridgeModel) -> None:
    assert [model.seat(*way) for way in (("a", "b"), ("a", "c"), ("a", "a"))] == [("ab", "left")] * 3
    assert [model.seat(*way) for way in (("c", "b"), ("c", "a"), ("c", "c"))] == [("bc", "right")] * 3
    assert (model.seat("b", "a"), model.seat("b", "c")) == (("ab", "right"), ("bc", "left"))
    assert all(OPPOSITE[letter] != letter for letter in SEATS)
    assert [model.side(name) for name in ("image", "en", "de", "a", "fr", "")] == ["a", "b", "c", "a", None, None]
    assert model.modalities == {"image": "image", "en": "text", "de": "text"}


def test_scores_across_are_the_mean_over_the_bridge(model: BridgeModel) -> None:
    """Rows are corners of cubes: a partner shares one item of the bridge with the query, every other row none."""
    scale, items = model.prepared.critics.ab.scale, len(NAMES)
    partner = np.log((np.exp(2 * scale) + items - 1) / items)
    other = np.log((2 * np.exp(scale) + items - 2) / items)
    for asked, to, item in (("a", "c", png("red")), ("c", "a", TEXTS["de"][NAMES.index("red")])):
        found = model.search(item, asked=asked, to=to, k=items)
        assert found.matches[0].id == f"{model.names[to]}/red"
        np.testing.assert_allclose([m.score for m in found.matches], [partner] + [other] * (items - 1), atol=1e-6)
        weights = np.array([np.exp(2 * scale)] + [1.0] * (items - 1))
        assert found.ess == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


def test_scores_within_an_edge_are_the_critics(model: BridgeModel) -> None:
    for asked, to, item in (("b", "c", "a red square"), ("b", "a", "a red square"), ("a", "a", png("red"))):
        found = model.search(item, asked=asked, to=to, k=3)
        assert found.matches[0].id == f"{model.names[to]}/red" and found.ess is None and not found.warnings
        np.testing.assert_allclose([m.score for m in found.matches], [6, 0, 0], atol=1e-5)


def test_ties_go_by_id_and_k_is_at_least_one(model: BridgeModel) -> None:
    ids = [m.id for m in model.search(png("red"), asked="a", to="c", k=8).matches]
    assert ids[1:] == sorted(ids[1:])
    with pytest.raises(UserError, match="k is 0"):
        model.search(png("red"), asked="a", to="c", k=0)


def test_a_weak_match_is_told_by_the_floor() -> None:
    for floor, warned in ((0.5, 0), (2.0, 1)):
        model = colour_bridge()
        model.about["options"]["ess_floor"] = floor
        assert len(model.search(png("red"), asked="a", to="c").warnings) == warned
    even = colour_bridge(scale=1e-6).search(png("red"), asked="a", to="c")
    assert even.ess == pytest.approx(len(NAMES), abs=1e-3) and not even.warnings


def test_the_folder_comes_back_and_has_digests(model: BridgeModel, tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "bridge").make()
    model.save(folder)
    again = BridgeModel.load(folder)
    for asked, to in (("a", "c"), ("c", "a"), ("b", "c")):
        item = png("blue") if asked == "a" else TEXTS[model.names[asked]][1]
        one, two = (m.search(item, asked=asked, to=to) for m in (model, again))
        assert [(m.id, m.score) for m in one.matches] == [(m.id, m.score) for m in two.matches] and one.ess == two.ess
    assert set(json.loads((tmp_path / "bridge" / "bridge.json").read_text())["files"]) == {"bridge.parquet"}
    with pytest.raises(UserError, match="no bridge here"):
        BridgeModel.load(Folder.at(tmp_path))
