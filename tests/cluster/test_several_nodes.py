"""Three nodes with folders of their own: work is spread, and a node that loses its power costs nothing but time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import s3_server
from PIL import Image
from ray_nodes import RayNodes
from worlds import write_pairs

from cluster.workflow.store import Store
from components.embeddings import Embeddings

ROOT = Path(__file__).parents[2]
PICTURES = 1300  # three tasks to read them
LAST = "mmd-net"
RECIPE = """
pipeline: align
left:  {source: pictures, encoder: hog-color}
right: {source: texts.csv, encoder: hashed-tfidf}
pairs: pairs.csv
pairs_budget: 40
aligner: sue
splits: {draws: 2, unpaired: all}
preprocess: {pca_dim: 16}
spectral:
  solver: spectralnet
  dim: 4
  graph: {neighbours: 8, scale_k: 4}
  spectralnet: {widths: [16], batch: 256, epochs: 200}
mmd: {widths: [8], epochs: 2}
cca: {dim: 3}
scaling: {workers: 2, min_workers: 1, cpus_per_worker: 2, shards: 6, encode_batch: 16}
seed: 0
"""
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "grey": (120, 120, 120)}
SHAPES = ("left", "right", "top", "bottom")


def write_pictures(folder: Path) -> Path:
    """Squares whose darker half and colour the text names; every picture differs."""
    (folder / "pictures").mkdir(parents=True)
    rng, texts = np.random.default_rng(0), ["id,text"]
    for n in range(PICTURES):
        colour, shape = list(COLOURS)[n % 4], SHAPES[n // 4 % 4]
        pixels = np.tile(np.array(COLOURS[colour], np.int16), (16, 16, 1)) + rng.integers(-25, 26, (16, 16, 3))
        dark = {"left": np.s_[:, :8], "right": np.s_[:, 8:], "top": np.s_[:8], "bottom": np.s_[8:]}[shape]
        pixels[dark] //= 3
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"pictures/p{n:04d}.png")
        texts.append(f"p{n:04d},{colour} square with a dark {shape} side number {n}")
    (folder / "texts.csv").write_text("\n".join(texts) + "\n")
    write_pairs(folder / "pairs.csv", [(f"p{n:04d}", f"p{n:04d}") for n in range(0, PICTURES, 4)])
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder / "recipe.yaml"


class Driver:
    """``nodes_driver.py`` as a process, its events as they come."""

    def __init__(self, recipe: Path, home: Path, environment: dict[str, str], *args: str, last: str = LAST) -> None:
        home.mkdir()
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self._errors = open(home / "errors", "w+")
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/nodes_driver.py"), str(recipe), last, str(home), *args],
            env={**environment, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=self._errors, text=True,
        )  # fmt: skip
        self.events: list[dict[str, Any]] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            yield self.events[-1]
        self.process.wait(60)

    def states(self) -> dict[str, str]:
        """How each step ended, after the events are read to their end."""
        for _ in self:
            pass
        self._errors.seek(0)
        assert self.process.returncode == 0, self._errors.read()[-3000:]
        assert self.events[-1]["error"] is None, self.events[-1]["error"]
        return dict(self.events[-1]["steps"])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayNodes]:
    nodes = RayNodes(tmp_path_factory.mktemp("nodes"), s3_server.USER)
    try:
        nodes.start("head", num_cpus=1)
        nodes.start("a", num_cpus=2)
        nodes.start("b", num_cpus=2, num_gpus=1)
        yield nodes
    finally:
        nodes.stop()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def alone(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a run in one process."""
    home = tmp_path_factory.mktemp("alone") / "home"
    assert set(Driver(recipe, home, dict(os.environ)).states().values()) == {"RAN"}
    return Store.at(home / "store")


def made(store: Store) -> dict[str, Any]:
    """The manifest of every step's output."""
    found = [store.read(name) for name in store.outputs()]
    return {m.step: m for m in found if m is not None}


def output(store: Store, step: str) -> Any:
    (name,) = [n for n in store.outputs() if n.rpartition("-")[0] == step]
    folder = store.folder_of(name)
    assert folder is not None
    return folder


def same_results(store: Store, alone: Store) -> None:
    """Shards and vectors to the bit, what was trained up to rounding; no id lost or doubled."""
    ours, theirs = made(store), made(alone)
    assert set(ours) == set(theirs)
    for step in ("shard-left", "shard-right", "encode-left", "encode-right", "pairs"):
        assert ours[step].digest == theirs[step].digest, step
    for step in ("encode-left", "encode-right"):
        ids = output(store, step).read_table("embeddings", ["id"])["id"].to_pylist()
        assert sorted(ids) == [f"p{n:04d}" for n in range(PICTURES)]
    for step in ("spectral-left", "spectral-right"):
        mine, other = (Embeddings.read(output(s, step)) for s in (store, alone))
        np.testing.assert_allclose(mine.rows(other.ids), other.vectors, atol=0.05)
    for step in ("spectral-left", "spectral-right"):
        assert ours[step].facts["loss"] == pytest.approx(theirs[step].facts["loss"], rel=1e-2)


def nodes_of(events: list[dict[str, Any]], step: str) -> list[str]:
    """Where the workers of a training began, in order of time."""
    return [node for e in events if e["kind"] == "placed" and e["step"] == step for node in e["nodes"]]


def check_one_epoch_lost(epochs: list[int]) -> None:
    """At most one epoch was trained twice. Numbers of its last moment may die unsent with a node: one gap at most."""
    assert len(epochs) - len(set(epochs)) <= 1
    unsent = sorted(set(range(1, max(epochs) + 1)) - set(epochs))
    assert unsent == [*range(unsent[0], unsent[0] + len(unsent))] if unsent else True


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_lost_in_sharding_in_encoding_and_in_training_costs_nothing_but_time(
    cluster: RayNodes, recipe: Path, alone: Store, tmp_path: Path
) -> None:
    """With workers as large as a node: what lost one goes on with the other one, until it is back."""
    shared = tmp_path / "shared"
    where = ["--store", str(shared), "--address", cluster.address]
    driver = Driver(recipe, tmp_path / "home", cluster.environment, *where)
    killed, epochs, before = dict[str, str](), list[int](), list[str]()
    for event in driver:
        kind, step = event["kind"], event.get("step", "")
        if kind == "progress" and step == "shard-left" and "sharding" not in killed:
            assert event["done"] < PICTURES
            killed["sharding"] = cluster.kill("a")
        elif kind == "step-finished" and step == "shard-left":
            cluster.ensure("a", num_cpus=2)
        elif kind == "progress" and step == "encode-left" and "encoding" not in killed:
            assert event["done"] < event["total"]
            killed["encoding"] = cluster.kill("b")
        elif kind == "step-finished" and step == "encode-left":
            cluster.ensure("b", num_cpus=2, num_gpus=1)
        elif kind == "metric" and event["name"] == "validation_loss" and step == "spectral-left":
            epochs.append(event["index"])
            if epochs[-1] >= 2 and "training" not in killed:  # an event may be lost with its worker
                before = nodes_of(driver.events, step)
                killed["training"] = cluster.kill(cluster.name_of(before[-1]))
    assert set(driver.states().values()) == {"RAN"}
    assert list(killed) == ["sharding", "encoding", "training"], [e for e in driver.events if e["kind"] != "progress"]
    assert len(nodes_of(driver.events, "spectral-left")) > len(before)  # the training began anew
    check_one_epoch_lost(epochs)
    found = made(Store.at(shared))
    assert len(found["shard-left"].made["nodes"]) >= 2
    assert sum(found["encode-left"].made["nodes"].values()) >= PICTURES / 16  # maybe all by the node that was left
    same_results(Store.at(shared), alone)


@pytest.mark.ray
@pytest.mark.slow
def test_what_asks_for_gpus_runs_where_they_are(cluster: RayNodes, recipe: Path, alone: Store, tmp_path: Path) -> None:
    """On a GPU that only Ray believes in: two encoders and two workers share it, and compute on the CPU beside it."""
    cluster.ensure("b", num_cpus=2, num_gpus=1)
    shutil.copytree(alone.root.local, tmp_path / "store")
    store = Store.at(tmp_path / "store")
    for step in ("encode-left", "spectral-left"):
        shutil.rmtree(store.root.local / "objects" / output(store, step).local.name)
    scaling = "scaling: {workers: 2, gpus_per_worker: 0.5, cpus_per_worker: 0.5, encode_batch: 64}"
    on_gpus = recipe.with_name("gpus.yaml")
    on_gpus.write_text(re.sub("scaling: .*", scaling, RECIPE) + "name: recipe\n")
    where = ["--store", str(store.root.path), "--address", cluster.address]
    driver = Driver(on_gpus, tmp_path / "home", cluster.environment, *where, last="spectral-left")
    states = driver.states()
    assert {name for name, state in states.items() if state == "RAN"} == {"encode-left", "spectral-left"}
    found = made(store)
    assert {cluster.name_of(node) for node in found["encode-left"].made["nodes"]} == {"b"}
    assert [cluster.name_of(node) for node in nodes_of(driver.events, "spectral-left")] == ["b", "b"]
    same_results(store, alone)


@pytest.mark.ray
@pytest.mark.slow
def test_a_store_in_a_bucket_serves_all_nodes(
    cluster: RayNodes, recipe: Path, alone: Store, tmp_path: Path, s3_uri: str
) -> None:
    """Sharding, encoding and Ray Train with its checkpoints, with no path that the nodes share but their sources'."""
    cluster.ensure("a", num_cpus=2)
    where = ["--store", s3_uri, "--address", cluster.address]
    driver = Driver(recipe, tmp_path / "home", cluster.environment, *where, last="spectral-left")
    assert set(driver.states().values()) == {"RAN"}
    assert not (tmp_path / "home" / "store").exists()
    ours, theirs = made(Store.at(s3_uri)), made(alone)
    assert set(ours) == {"shard-left", "shard-right", "encode-left", "unpaired", "spectral-left"}
    for step in ("shard-left", "shard-right", "encode-left", "unpaired"):
        assert ours[step].digest == theirs[step].digest, step
    assert ours["spectral-left"].facts["loss"] == pytest.approx(theirs["spectral-left"].facts["loss"], rel=1e-2)


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_that_is_taken_away_with_notice_is_no_failure(
    cluster: RayNodes, recipe: Path, alone: Store, tmp_path: Path
) -> None:
    """With no failure allowed: what was announced is counted apart, and costs at most the epoch that it came in."""
    for name in ("a", "b"):
        cluster.ensure(name, num_cpus=2)
    shutil.copytree(alone.root.local, tmp_path / "store")
    scaling = "scaling: {workers: 1, cpus_per_worker: 2, max_failures: 0, encode_batch: 16, shards: 6}"
    longer = re.sub("epochs: 200", "epochs: 240", re.sub("scaling: .*", scaling, RECIPE))
    recipe.with_name("longer.yaml").write_text(longer + "name: recipe\n")
    where = ["--store", str(tmp_path / "store"), "--address", cluster.address]
    driver = Driver(
        recipe.with_name("longer.yaml"), tmp_path / "home", cluster.environment, *where, last="spectral-left"
    )
    epochs, first = list[int](), ""
    for event in driver:
        if event["kind"] == "metric" and event["name"] == "validation_loss":
            epochs.append(event["index"])
            if len(epochs) == 3:
                (first,) = nodes_of(driver.events, "spectral-left")
                cluster.announce(first, seconds=2)
                cluster.kill(cluster.name_of(first))
    assert driver.states()["spectral-left"] == "RAN"
    begun = nodes_of(driver.events, "spectral-left")
    assert len(begun) == 2 and begun[1] != first
    check_one_epoch_lost(epochs)
