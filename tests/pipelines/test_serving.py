"""``isthmus serve`` and ``isthmus promote``: which model is meant, what is refused before it starts, and the end."""

from __future__ import annotations

import json
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving_world import colour_bridge, colour_space
from typer.testing import CliRunner

from components.errors import UserError
from components.files import Folder
from pipelines.cli import app
from pipelines.home import Home
from pipelines.serving import model_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    colour_space().save(Folder.at(folder).make())
    return folder


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bridged") / "bridge"
    colour_bridge().save(Folder.at(folder).make())
    return folder


@pytest.fixture
def home(tmp_path: Path, exported: Path) -> Home:
    """With the results of a run of the recipe ``colours``."""
    home = Home.open(tmp_path / "home")
    (home.results("colours")).mkdir(parents=True)
    (home.results("colours") / "model").symlink_to(exported, target_is_directory=True)
    return home


def refused(*args: str) -> str:
    """What a command that must not start says."""
    result = CliRunner().invoke(app, list(args))
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def test_a_model_is_named_by_folder_or_recipe(home: Home, exported: Path) -> None:
    for name in (str(exported), str(exported.parent)):
        assert model_folder(name, home).resolve() == exported.resolve()
    for name in ("colours", None):
        assert model_folder(name, home).resolve() == exported.resolve()
    for name in ("shapes", "../../etc", "models", ""):
        with pytest.raises(UserError, match="name a model folder, a recipe that was run, or models:/NAME@champion"):
            model_folder(name, home)


def test_a_bridge_is_named_as_a_model_is(home: Home, bridge: Path) -> None:
    results = home.results("tongues")
    results.mkdir(parents=True)
    (results / "bridge").symlink_to(bridge, target_is_directory=True)
    for name in (str(bridge), str(bridge.parent), "tongues", None):  # None: the newest
        assert model_folder(name, home).resolve() == bridge.resolve()


def _card(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "bridge.json").read_text())
    change(card)
    (folder / "bridge.json").write_text(json.dumps(card))


BAD_BRIDGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no scale": (lambda f: _card(f, lambda c: c["critics"]["bc"].pop("scale")), "critic bc: .* has no scale"),
    "critics of another dimension": (
        lambda f: _card(f, lambda c: c["critics"]["bc"].update(dim=3)),
        "second rows have 8 dimensions, their critic has 3",
    ),
    "another format": (lambda f: _card(f, lambda c: c.update(format=9)), "bridge format 9 is not 1"),
    "a broken card": (lambda f: (f / "bridge.json").write_text("{"), "bridge.json is damaged"),
    "broken weights": (lambda f: (f / "bridge.parquet").write_bytes(b"x"), "bridge.parquet of the model is damaged"),
    "no weights": (lambda f: (f / "bridge.parquet").unlink(), "bridge.parquet is missing"),
    "a space that is gone": (lambda f: shutil.rmtree(f / "bc"), "no model here"),
    "a broken map": (lambda f: (f / "ab" / "left.safetensors").write_bytes(b"x"), "left.safetensors .* damaged"),
}


@pytest.mark.parametrize("name", BAD_BRIDGES)
def test_a_bad_bridge_is_refused_in_one_sentence(name: str, home: Home, bridge: Path, tmp_path: Path) -> None:
    damage, told = BAD_BRIDGES[name]
    shutil.copytree(bridge, tmp_path / "broken")
    damage(tmp_path / "broken")
    for command in (("serve", "--no-ray", "--port", "0"), ("search", "a red square", "--from", "en", "--model")):
        assert re.search(told, refused(*command, str(tmp_path / "broken"), "--home", str(home.path)))


def test_a_bad_model_is_refused_in_one_sentence(home: Home, exported: Path, tmp_path: Path) -> None:
    serve = ("serve", "--no-ray", "--port", "0", "--home", str(home.path))
    assert "no model 'shapes'" in refused(*serve, "shapes")
    assert "write models:/NAME@ALIAS" in refused(*serve, "models:/..")
    broken = tmp_path / "broken"
    shutil.copytree(exported, broken)
    weights = broken / "left.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "left.safetensors of the model is damaged; export it again" in refused(*serve, str(broken))
    weights.unlink()
    assert "left.safetensors is missing" in refused(*serve, str(broken))
    weights.write_bytes(whole)
    about = json.loads((broken / "model.json").read_text())
    about["sides"]["right"]["views"][0]["fingerprint"] = "hashed-tfidf@0 scikit-learn==0.1"
    (broken / "model.json").write_text(json.dumps(about))
    assert "was made with the encoder hashed-tfidf@0 scikit-learn==0.1, here is" in refused(*serve, str(broken))
    about["index"]["left"]["kind"] = "cells"
    (broken / "model.json").write_text(json.dumps(about))
    assert "the index left-index.faiss is missing" in refused(*serve, str(broken))


def test_a_port_that_is_taken_is_refused(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} on 127.0.0.1 cannot be used" in refused("serve", "--port", port, "--home", str(home.path))


@pytest.mark.parametrize("kind", ["model", "bridge"])
def test_it_answers_on_loopback_until_it_is_told_to_end(home: Home, bridge: Path, kind: str) -> None:
    named, counted = ("colours", "8 images and 8 texts")
    if kind == "bridge":
        named, counted = str(bridge), "8 images, 8 texts (en) and 8 texts (de)"
    command = [sys.executable, "-m", "pipelines.cli", "serve", named, "--no-ray", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--home", str(home.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()], daemon=True).start()
    try:
        told = [lines.get(timeout=60) for _ in range(2)]
        assert told[0] == f"colours: {counted}\n"
        address = told[1].split("answers at ")[1].split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}/healthz", timeout=20) as response:
            assert json.load(response)["model"]["name"] == "colours"
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert code == 0 and process.stderr is not None and process.stderr.read() == ""


def test_promote_tells_what_is_missing(tmp_path: Path, make_home: Callable[[Path], Path]) -> None:
    home = make_home(tmp_path / "home")
    assert "no model is registered" in refused("promote", "--home", str(home))
    assert "no model 'emoji' is registered" in refused("promote", "emoji", "--version", "3", "--home", str(home))
