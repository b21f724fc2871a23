"""The HTTP application on a small model in this process: answers, limits, and what bad input says."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from serving_world import COLOURS, colour_space, png

from cluster.serving.app import Unavailable, make_app
from cluster.serving.asking import Answer, Ask, Worker
from cluster.serving.limits import Limits
from cluster.serving.local import LocalBackend
from cluster.serving.served import ServedSpace
from components.model import SharedSpace

LIMITS = Limits(body_bytes=200_000, pixels=1_000_000, text_chars=300, k=20, items=3)


@pytest.fixture(scope="module")
def space() -> SharedSpace:
    return colour_space()


@pytest.fixture(scope="module")
def client(space: SharedSpace) -> Iterator[TestClient]:
    app = make_app(LocalBackend(ServedSpace(space)), ServedSpace(space).describe(), LIMITS)
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


def upload(client: TestClient, data: bytes, **fields: Any) -> Any:
    return client.post("/search", files={"image": ("x.png", data, "image/png")}, data=fields)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_text_finds_its_picture_and_a_picture_its_text(client: TestClient, space: SharedSpace, colour: str) -> None:
    answer = client.post("/search", json={"text": f"a {colour} square", "k": 3}).json()
    assert (answer["from"], answer["to"], len(answer["matches"])) == ("right", "left", 3)
    best = answer["matches"][0]
    assert best["id"] == f"left/{colour}" and best["paired"] == (colour == "grey") == (best["confidence"] is None)
    by_hand = space.search(f"a {colour} square", side="right", k=3)
    assert [(m["id"], m["score"], m["confidence"]) for m in answer["matches"]] == [
        (m.id, m.score, m.confidence) for m in by_hand
    ]
    found = upload(client, png(colour), k=2).json()
    assert (found["from"], found["matches"][0]["title"], len(found["matches"])) == ("left", f"{colour} words", 2)


def test_a_stored_row_can_be_the_query_and_its_own_side_be_searched(client: TestClient) -> None:
    answer = client.post("/search", json={"id": "left/red", "from": "left"}).json()
    assert (answer["to"], answer["matches"][0]["id"]) == ("right", "right/red")
    assert answer["matches"][0]["confidence"] > 0.9
    known = client.post("/search", json={"id": "left/grey", "from": "left"}).json()["matches"]
    assert known[0]["paired"] and {m["confidence"] for m in known} == {None}  # it has its partner already
    answer = client.post("/search", json={"id": "left/red", "from": "left", "to": "left", "k": 1}).json()
    assert answer["matches"][0]["id"] == "left/red" and answer["matches"][0]["confidence"] is None


def test_thumbnails_come_on_demand(client: TestClient) -> None:
    bare = client.post("/search", json={"text": "a red square", "k": 1}).json()["matches"][0]
    assert "thumbnail" not in bare
    shown = client.post("/search", json={"text": "a red square", "k": 1, "thumbnails": True}).json()["matches"][0]
    assert shown["thumbnail"].startswith("data:image/png;base64,")


def test_items_of_both_sides_are_encoded(client: TestClient, space: SharedSpace) -> None:
    texts = ["a red square", "a blue square"]
    got = client.post("/encode/right", json={"items": texts}).json()
    np.testing.assert_allclose(got["coordinates"], space.encode_right(texts), atol=1e-6)
    pictures = [("images", ("x", png(c), "image/png")) for c in ("red", "blue")]
    got = client.post("/encode/left", files=pictures).json()
    assert np.argmax(got["coordinates"], axis=1).tolist() == [sorted(COLOURS).index(c) for c in ("red", "blue")]


def test_health_tells_rows_recall_and_memory(client: TestClient) -> None:
    health = client.get("/healthz")
    assert health.status_code == 200 and health.json()["ready"]
    side = health.json()["model"]["sides"]["left"]
    assert (side["rows"], side["index"]["recall"], side["index"]["kind"]) == (8, 1.0, "exact")
    assert side["index"]["bytes"] == 8 * 8 * 4


def test_the_api_describes_itself_and_needs_no_network(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert {"/search", "/encode/{side}", "/healthz"} <= set(described["paths"])
    body = described["paths"]["/search"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "multipart/form-data"}
    assert {"text", "from", "to", "k"} <= set(body["application/json"]["schema"]["properties"])
    page = client.get("/")
    assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
    for path in ("/", "/page.css", "/page.js"):
        assert "http://" not in client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in client.get(path).text


def huge() -> bytes:
    out = io.BytesIO()
    Image.new("1", (2000, 2000)).save(out, "PNG")
    return out.getvalue()


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"text": ""}, 422, "the query is empty"),
    ({"text": " \n\t "}, 422, "the query is empty"),
    ({}, 422, "give one of text, vector, id"),
    ({"text": "a", "id": "b"}, 422, "give one of text, vector, id"),
    ({"text": "a" * 301}, 413, "301 characters; at most 300"),
    ({"text": "a", "k": 0}, 422, "k is 0; allowed: 1 to 20"),
    ({"text": "a", "k": 10**30}, 422, "k"),
    ({"text": "a", "k": "many"}, 422, "k: "),
    ({"text": 7}, 422, "text: "),
    ({"text": "a", "to": "up"}, 422, "no side 'up'; there are left and right"),
    ({"text": "a", "from": "../left"}, 422, "no side '../left'"),
    ({"text": "a", "from": "left"}, 422, "the left side takes images"),
    ({"text": "a", "language": "xx"}, 422, "no texts in 'xx'; the right side has texts of one kind only"),
    ({"vector": [1.0, 2.0]}, 422, "this model has no side of embeddings (left: images and right: texts)"),
    ({"vector": ["a"]}, 422, "vector.0: "),
    ({"id": "left/red"}, 422, "say which side the id is of"),
    ({"id": "../../etc/passwd", "from": "left"}, 404, "no row of the left side has this id"),
    ({"id": "left/../left/red", "from": "left"}, 404, "no row of the left side has this id"),
    ({"text": "a", "delete": True}, 422, "delete: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("body", "status", "told"), BAD)
def test_a_bad_search_is_told_in_one_sentence(client: TestClient, body: Any, status: int, told: str) -> None:
    response = client.post("/search", json=body)
    assert response.status_code == status and told in response.json()["error"]
    assert set(response.json()) == {"error"} and "Traceback" not in response.text


@pytest.mark.parametrize(
    ("content", "kind", "status", "told"),
    [
        (b"{", "application/json", 422, "Invalid JSON"),
        (b"", "application/json", 422, "Invalid JSON"),
        (b"[1]", "application/json", 422, "should be an object"),
        (b'{"vector": [NaN]}', "application/json", 422, "finite number"),
        (b'{"text": "\\ud800"}', "application/json", 422, "Invalid JSON"),
        (b"\xff\xfe", "application/json", 422, "Invalid JSON"),
        (b"text=a", "application/x-www-form-urlencoded", 415, "send application/json"),
        (b"a", "", 415, "send application/json"),
        (b"no boundary", "multipart/form-data", 400, "the form cannot be read"),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b", 422, "no file in the field image"),
        (b"x" * 200_001, "application/json", 413, "larger than 200,000 bytes"),
    ],
)
def test_bytes_that_are_no_request(client: TestClient, content: bytes, kind: str, status: int, told: str) -> None:
    response = client.post("/search", content=content, headers={"content-type": kind})
    assert (response.status_code, told in response.json()["error"]) == (status, True), response.text


def test_bad_uploads(client: TestClient) -> None:
    for data, status, told in (
        (b"", 415, "no picture that can be read"),
        (b"<svg xmlns='x'/>", 415, "no picture that can be read"),
        (b"GIF89a then nonsense", 415, "no picture"),
        (png("red")[:60], 415, "the picture cannot be used: undecodable image"),
        (huge(), 413, "2000 × 2000 pixels; at most 1,000,000"),
        (b"\x89PNG" + b"0" * 200_000, 413, "larger than 200,000 bytes"),
    ):
        response = upload(client, data)
        assert (response.status_code, told in response.json()["error"]) == (status, True), response.text
    response = client.post("/search", data={"k": "3"}, files={"file": ("x", b"x", "image/png")})
    assert response.status_code == 422 and "no file in the field image" in response.json()["error"]
    assert upload(client, png("red"), k="0").status_code == 422
    assert upload(client, png("red"), frm="x").status_code == 422


def test_bad_encoding(client: TestClient) -> None:
    for side, body, status, told in (
        ("middle", {"items": ["a"]}, 404, "no side 'middle'"),
        ("..%2f..%2fetc", {"items": ["a"]}, 404, ""),
        ("right", {"items": []}, 422, "0 items; between 1 and 3"),
        ("right", {"items": ["a"] * 4}, 422, "4 items"),
        ("right", {"items": ["a", " "]}, 422, "the query is empty"),
        ("right", {"items": [[1.0]]}, 422, "the right side takes texts"),
        ("left", {"items": ["a"]}, 422, "upload them as multipart/form-data"),
    ):
        response = client.post(f"/encode/{side}", json=body)
        assert response.status_code == status and told in response.json()["error"], response.text
    response = client.post("/encode/right", files={"images": ("x", png("red"), "image/png")})
    assert response.status_code == 422 and "the right side takes texts" in response.json()["error"]


def test_unknown_paths_methods_and_hosts(client: TestClient) -> None:
    assert client.get("/../../etc/passwd").json()["error"] == "Not Found"
    assert client.get("/page/%2e%2e/app.py").status_code == 404
    assert client.get("/search").status_code == 405
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400


class Broken:
    """A backend with a bug, or without anybody."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def ask(self, ask: Ask) -> Answer:
        raise self.error

    async def health(self) -> dict[str, Any]:
        return {"ready": False}


def test_nothing_of_our_own_mistakes_reaches_the_client(space: SharedSpace, caplog: Any) -> None:
    app = make_app(Broken(RuntimeError("secret path /root/x")), ServedSpace(space).describe())
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        response = client.post("/search", json={"text": "a"})
        assert response.status_code == 500 and "secret" not in response.text
        number = response.json()["error"].rpartition(" ")[2]
        assert any(number in r.getMessage() and r.exc_info for r in caplog.records)
        assert client.get("/healthz").status_code == 503


def test_no_answer_in_time_is_no_error_of_the_client(space: SharedSpace) -> None:
    app = make_app(Broken(Unavailable("nobody answered within 30 seconds")), ServedSpace(space).describe())
    with TestClient(app, base_url="http://localhost") as client:
        response = client.post("/search", json={"text": "a"})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_answers_do_not_depend_on_the_batch_and_only_the_guilty_is_refused(space: SharedSpace) -> None:
    worker = Worker(ServedSpace(space))
    asks = [Ask(side="right", items=(f"a {c} square",), to="left", k=4) for c in COLOURS]
    asks += [Ask(side="left", items=(png(c),), to="right", k=4) for c in COLOURS]
    alone = [worker.answer([ask])[0] for ask in asks]
    assert worker.answer(asks) == alone
    bad = Ask(side="left", items=(b"no picture",), to="right")
    answers = worker.answer([*asks, bad, Ask(side="left", row="left/nobody", to="right")])
    assert answers[:-2] == alone and [a.refused for a in answers[-2:]] == [415, 404]


def test_languages_are_columns_of_the_side(space: SharedSpace) -> None:
    model = json.loads(json.dumps(ServedSpace(space).describe()))
    model["sides"]["right"]["columns"] = ["en", "de"]
    asked: list[Ask] = []

    class Recorder(Broken):
        async def ask(self, ask: Ask) -> Answer:
            asked.append(ask)
            return Answer(found={"matches": ()})

    with TestClient(make_app(Recorder(ValueError()), model), base_url="http://localhost") as client:
        client.post("/search", json={"text": "Katze", "language": "de"})
        client.post("/search", json={"text": "cat"})
        response = client.post("/search", json={"text": "chat", "language": "fr"})
    assert [ask.items for ask in asked] == [({"de": "Katze"},), ("cat",)]
    assert response.status_code == 422 and response.json()["error"] == "no texts in 'fr'; there are en, de"
