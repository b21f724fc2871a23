"""Step confidence: promises about the exported model, checked on held-out pairs; absent with too few pairs."""

from pathlib import Path

import numpy as np
import pytest
from align_world import BASE, AlignWorld, make_world

from components.corpora.splits import Splits
from components.embeddings import Embeddings
from components.judge import Judge
from components.model import ModelSide, SharedSpace
from components.model_views import ModelView
from components.transforms import load_transform

CONFIG = {**BASE, "method": "ridge-map", "exported": "ridge-map", "settings": {}}


def run(world: AlignWorld, method: str = "ridge-map", name: str = "confidence", **config: object) -> dict:  # type: ignore[type-arg]
    inputs = world.inputs("splits", **{"encode-left": "left", "encode-right": "right"})
    inputs |= world.inputs(**{f"method:{method}": f"fit-{method}"})
    world.run("confidence", name, inputs, {**CONFIG, "method": method, "exported": method, **config})
    summary: dict = world.root.sub(name).read_json("summary.json")  # type: ignore[type-arg]
    return summary


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> AlignWorld:
    world = make_world(tmp_path_factory.mktemp("confidence"))
    world.fit("ridge-map")
    run(world)
    return world


def test_promises_and_what_the_held_out_pairs_say(done: AlignWorld) -> None:
    summary = done.root.sub("confidence").read_json("summary.json")
    assert summary["pairs"] == summary["judged"] == 40 and summary["curve_method"] == "ridge-map"
    assert summary["gallery"] == {"left_to_right": 460, "right_to_left": 460}
    for recall in summary["heldout"]["recall"].values():
        assert recall["low"] <= recall["value"] <= recall["high"]
        assert recall["low"] <= recall["measured"] <= recall["high"]
    calibration = summary["heldout"]["calibration"]
    assert calibration["num"] == 200 and calibration["mean"] == pytest.approx(calibration["rate"], abs=0.12)
    assert summary["advice"].startswith("With 50 more known pairs") or "may bring little" in summary["advice"]
    assert summary["advice"] in done.notes


def test_same_inputs_same_bytes(done: AlignWorld) -> None:
    run(done, name="again")
    a, b = done.root.sub("confidence"), done.root.sub("again")
    assert all(a.read_bytes(f.name) == b.read_bytes(f.name) for f in a.files())


def test_a_heavy_method_gets_a_light_ones_curve(done: AlignWorld) -> None:
    done.fit("semi-cca")
    summary = run(done, "semi-cca", "heavy")
    assert summary["method"] == "semi-cca" and summary["curve_method"] == "kernel-ridge"


def test_the_correction_is_cross_fitted_too(done: AlignWorld) -> None:
    done.fit("ridge-map", "fit-corrected", hubness="potential")
    inputs = done.inputs("splits", **{"encode-left": "left", "encode-right": "right"})
    inputs |= done.inputs(**{"method:ridge-map": "fit-corrected"})
    done.run("confidence", "corrected", inputs, {**CONFIG, "exported": "ridge-map+bank", "hubness": "potential"})
    summary = done.root.sub("corrected").read_json("summary.json")
    assert summary["method"] == "ridge-map+bank" and summary["curve_method"] == "ridge-map"


def test_too_few_pairs_promise_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    splits = world.splits.to_json()
    splits["draws"] = {"random": [splits["draws"]["random"][0][:9]]}
    Splits.from_json(splits).write(world.root.sub("splits"))
    world.fit("ridge-map")
    assert "9 known pairs are too few" in run(world)["absent"]
    assert Judge.read(world.root.sub("confidence")) is None


def model(world: AlignWorld) -> SharedSpace:
    fitted, sides = world.root.sub("fit-ridge-map"), {}
    for side in ("left", "right"):
        rows, mapping = Embeddings.read(world.root.sub(side)), load_transform(fitted, side)
        index = Embeddings(rows.ids, mapping(rows.vectors))
        views = (ModelView(encoder="given", dim=rows.dim),)
        sides[side] = ModelSide(
            modality="embedding", views=views, transform=mapping, index=index, titles={}, thumbnails={}
        )
    return SharedSpace(sides, {}, judge=Judge.read(world.root.sub("confidence")))  # type: ignore[arg-type]


def test_search_says_how_sure_it_is(done: AlignWorld) -> None:
    space, rows = model(done), Embeddings.read(done.root.sub("left"))
    paired = {b for _, b in done.splits.pairs()}
    asked = [i for i, _ in done.splits.heldout[:40]]
    confidence: list[float] = []
    right: list[bool] = []
    mutual: list[bool] = []
    for name in asked:
        matches = space.search(rows.rows([name])[0].tolist(), side="left", k=20)
        assert all((m.confidence is None) == m.paired == (m.id in paired) for m in matches)
        first = next(m for m in matches if not m.paired)
        assert first.confidence is not None and 0 < first.confidence < 1
        confidence.append(first.confidence)
        right.append(first.id == name)
        mutual.append(bool(first.mutual))
    assert np.mean(confidence) == pytest.approx(np.mean(right), abs=0.2)
    assert np.mean(np.array(right)[mutual]) > np.mean(right)  # a mutual match is right more often


def test_mutual_flag_against_brute_force(done: AlignWorld) -> None:
    space = model(done)
    left, right = (space.sides[s].index for s in ("left", "right"))  # type: ignore[index]
    free = [n for n, i in enumerate(left.ids) if i not in {a for a, _ in done.splits.pairs()}]
    rows = Embeddings.read(done.root.sub("left"))
    for name in [i for i, _ in done.splits.heldout[:10]]:
        for match in space.search(rows.rows([name])[0].tolist(), side="left", k=5):
            if not match.paired:
                scores = left.vectors[free] @ right.rows([match.id])[0]
                assert match.mutual == (left.ids[free[int(scores.argmax())]] == name)


def test_no_confidence_within_one_side_and_none_without_a_calibration(done: AlignWorld) -> None:
    space, rows = model(done), Embeddings.read(done.root.sub("left"))
    query = rows.vectors[0].tolist()
    assert {m.confidence for m in space.search(query, side="left", to="left", k=3)} == {None}
    space.judge = None
    assert {(m.confidence, m.mutual, m.paired) for m in space.search(query, side="left", k=3)} == {(None, None, False)}


def test_the_calibration_travels_with_the_model(done: AlignWorld, tmp_path: Path) -> None:
    from components.files import Folder

    space = model(done)
    space.save(Folder.at(tmp_path))
    again = SharedSpace.load(Folder.at(tmp_path))
    assert again.judge == space.judge and again.judge is not None
    query = Embeddings.read(done.root.sub("left")).vectors[3].tolist()
    assert [m.confidence for m in again.search(query, side="left")] == [
        m.confidence for m in space.search(query, side="left")
    ]
