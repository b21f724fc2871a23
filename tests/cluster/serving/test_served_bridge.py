"""A bridge behind the same door: any side by any other, its languages by name, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from serving_world import NAMES, TEXTS, colour_bridge, png

from cluster.serving.app import make_app
from cluster.serving.asking import Ask, Worker
from cluster.serving.local import LocalBackend
from cluster.serving.served import ServedBridge, load_served
from components.bridge_model import BridgeModel
from components.files import Folder

ITEMS: dict[str, list[Any]] = {"image": [png(name) for name in NAMES], **TEXTS}


@pytest.fixture(scope="module")
def model() -> BridgeModel:
    return colour_bridge()


@pytest.fixture(scope="module")
def client(model: BridgeModel) -> Iterator[TestClient]:
    served = ServedBridge(model)
    with TestClient(make_app(LocalBackend(served), served.describe()), base_url="http://localhost") as client:
        yield client


def ask(client: TestClient, side: str, number: int, **options: Any) -> Any:
    item = ITEMS[side][number]
    if isinstance(item, bytes):
        return client.post("/search", files={"image": ("x.png", item, "image/png")}, data={"from": side, **options})
    return client.post("/search", json={"text": item, "from": side, **options})


@pytest.mark.parametrize("side", ITEMS)
@pytest.mark.parametrize("to", ITEMS)
def test_any_side_finds_any_other_as_the_model_itself_does(
    client: TestClient, model: BridgeModel, side: str, to: str
) -> None:
    letters = {name: letter for letter, name in model.names.items()}
    answer = ask(client, side, 2, to=to, k=3).json()
    by_hand = model.search(ITEMS[side][2], asked=letters[side], to=letters[to], k=3)
    assert [(m["id"], m["score"]) for m in answer["matches"]] == [(m.id, m.score) for m in by_hand.matches]
    assert answer["matches"][0]["id"] == f"{to}/{NAMES[2]}" and answer["matches"][0]["confidence"] is None
    assert (answer["from"], answer["to"], answer["meaning"]) == (side, to, by_hand.meaning)
    across = {side, to} == {"image", "de"}
    assert ("through 8 items of en" in answer["meaning"]) == across == (answer["ess"] is not None)
    assert bool(answer["warnings"]) == across  # the best match is that of one item of the bridge


def test_a_side_has_its_opposite_and_its_letter(client: TestClient) -> None:
    for side, opposite in (("image", "de"), ("de", "image"), ("en", "image")):
        assert ask(client, side, 0).json()["to"] == opposite
    by_letter = client.post("/search", json={"text": TEXTS["de"][1], "from": "c", "to": "a"}).json()
    assert (by_letter["from"], by_letter["to"]) == ("de", "image")
    picture = client.post("/search", files={"image": ("x", png("red"), "image/png")}).json()
    assert (picture["from"], picture["to"]) == ("image", "de")


def test_a_row_of_any_side_can_be_the_query(client: TestClient) -> None:
    for side, to in (("image", "de"), ("de", "image"), ("en", "de"), ("en", "image")):
        answer = client.post("/search", json={"id": f"{side}/red", "from": side, "to": to, "thumbnails": True}).json()
        assert answer["matches"][0]["id"] == f"{to}/red"
        assert (answer["matches"][0]["thumbnail"] or "").startswith("data:image/png") == (to == "image")


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"text": "Quadrat"}, 422, "the query may be of en or de; say which: from"),
        ({"text": "carré", "from": "fr"}, 422, "no side 'fr'; there are image, en and de"),
        ({"text": "Quadrat", "from": "de", "to": "fr"}, 422, "no side 'fr'; there are image, en and de"),
        ({"text": "Quadrat", "from": "image"}, 422, "the image side takes images"),
        ({"text": "Quadrat", "from": "d"}, 422, "no side 'd'"),
        (
            {"text": "Quadrat", "from": "de", "language": "fr"},
            422,
            "no texts in 'fr'; the de side has texts of",
        ),
        ({"vector": [1.0]}, 422, "no side of embeddings (image: images, en: texts and de: texts)"),
        ({"id": "en/red"}, 422, "say which side the id is of"),
        ({"id": "en/red", "from": "de"}, 404, "no row of the de side has this id"),
        ({"text": "", "from": "de"}, 422, "the query is empty"),
    ],
)
def test_a_bad_search_is_told_in_one_sentence(client: TestClient, body: Any, status: int, told: str) -> None:
    response = client.post("/search", json=body)
    assert response.status_code == status and told in response.json()["error"]
    assert set(response.json()) == {"error"}


def test_the_middle_side_has_coordinates_in_each_space(client: TestClient, model: BridgeModel) -> None:
    for to, edge, side in (("image", "ab", "right"), ("de", "bc", "left")):
        got = client.post("/encode/en", json={"items": TEXTS["en"], "to": to}).json()
        expected = model.spaces[edge].encode(side, TEXTS["en"])  # type: ignore[index,arg-type]
        np.testing.assert_allclose(got["coordinates"], expected, atol=1e-6)
    got = client.post("/encode/c", json={"items": TEXTS["de"]}).json()
    assert got["side"] == "de" and np.shape(got["coordinates"]) == (8, 8)
    pictures = [("images", ("x", png(name), "image/png")) for name in NAMES]
    got = client.post("/encode/image", files=pictures, data={"to": "de"}).json()
    np.testing.assert_allclose(got["coordinates"], np.eye(8), atol=1e-5)
    for path, body, status, told in (
        ("en", {"items": ["a"]}, 422, "the en side is in two spaces; say as to what it is to be compared with"),
        ("en", {"items": ["a"], "to": "fr"}, 422, "no side 'fr'"),
        ("fr", {"items": ["a"]}, 404, "no side 'fr'; there are image, en and de"),
    ):
        response = client.post(f"/encode/{path}", json=body)
        assert response.status_code == status and told in response.json()["error"]
    shared = ServedBridge(colour_bridge(same_space=True)).describe()["sides"]["en"]
    assert shared["spaces"] == []  # one encoder of B: its coordinates are the same everywhere


def test_health_and_the_description_name_the_sides(client: TestClient) -> None:
    told = client.get("/healthz").json()["model"]
    assert {name: side["rows"] for name, side in told["sides"].items()} == {"image": 8, "en": 8, "de": 8}
    assert "image and de were never paired" in told["about"] and "8 items of en" in told["about"]
    paths = client.get("/openapi.json").json()["paths"]
    for path, kind in (("/search", "application/json"), ("/search", "multipart/form-data")):
        fields = paths[path]["post"]["requestBody"]["content"][kind]["schema"]["properties"]
        assert all(fields[name]["anyOf"][0]["enum"] == ["image", "en", "de"] for name in ("from", "to"))
    encode = paths["/encode/{side}"]["post"]
    assert encode["parameters"][0]["schema"]["enum"] == ["image", "en", "de"]
    form = encode["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["images"] and form["properties"]["to"]["anyOf"][0]["enum"] == ["image", "en", "de"]


def test_answers_do_not_depend_on_the_batch(model: BridgeModel) -> None:
    worker = Worker(ServedBridge(model))
    ways = [("image", "de"), ("de", "image"), ("en", "image"), ("en", "de"), ("image", "en")]
    asks = [Ask(side=s, to=to, items=(ITEMS[s][n],), k=4) for n in range(3) for s, to in ways]
    alone = [worker.answer([one])[0] for one in asks]
    bad = Ask(side="image", to="de", items=(b"no picture",))
    answers = worker.answer([*asks, bad])
    assert answers[:-1] == alone and answers[-1].refused == 415


def test_a_folder_says_itself_what_it_is(tmp_path: Path, model: BridgeModel) -> None:
    model.save(Folder.at(tmp_path / "bridge").make())
    served = load_served(tmp_path / "bridge", None)
    served.check_encoders()
    served.prepare()
    assert served.describe() == ServedBridge(model).describe()
    point = served.encode_each("de", [TEXTS["de"][5]], "image")[0]
    assert served.search(point, side="de", to="image", k=1, row=None).matches[0].id == f"image/{NAMES[5]}"
