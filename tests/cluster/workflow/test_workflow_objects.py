"""Stores without rename: the same promises by unique prefixes and one pointer."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from workflow_bodies import make
from workflow_driver import DIAMOND, diamond

from cluster.workflow.executor import execute
from cluster.workflow.gc import gc
from cluster.workflow.graph import Graph
from cluster.workflow.history import diff
from cluster.workflow.inprocess import InProcess
from cluster.workflow.lease import Lease, LeaseLost, LeaseTiming
from cluster.workflow.manifest import MANIFEST, Manifest, describe_files
from cluster.workflow.object_layout import POINTER
from cluster.workflow.plan import plan
from cluster.workflow.results import State
from cluster.workflow.store import Store
from components.files import Folder

QUICK = LeaseTiming(heartbeat_s=0.05, expiry_s=0.3, settle_s=0.01)
KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A local folder behind a filesystem that is not the local one: no rename, no exclusive creation."""
    store = Store(Folder(pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), "bucket/store"))
    assert not store.root.is_local
    return store


def run(graph: Graph, store: Store, **more: object) -> dict[str, str]:
    result = execute(graph, store, InProcess, timing=QUICK, **more)
    return {n: s.state.value for n, s in result.steps.items()}


def made(store: Store, lease: Lease, text: str = "x") -> Folder:
    folder = store.draft("step", KEY, lease).sub("attempt").make()
    folder.write_json("about.json", {"text": text})
    return folder


def manifest(folder: Folder) -> Manifest:
    return Manifest(step="step", version="1", key=KEY, files=describe_files(folder))


def take(store: Store) -> Lease:
    lease = store.leases(QUICK).acquire(f"step-{KEY[:16]}")
    assert isinstance(lease, Lease)
    return lease


def test_run_hit_force_damage_and_gc_work_as_on_a_disk(store: Store) -> None:
    graph = diamond()
    assert run(graph, store, run_id="r1") == dict.fromkeys(DIAMOND, "RAN")
    assert run(graph, store, run_id="r2") == dict.fromkeys(DIAMOND, "HIT")
    assert run(graph, store, run_id="r3", force={"end"})["end"] == "RAN"
    output = store.find("left", graph.keys["left"]).output
    assert output is not None
    output.folder.write_bytes("data.parquet", b"")
    assert plan(graph, store).steps["left"].reasons[0].startswith("damaged: data.parquet is truncated")
    assert run(graph, store, run_id="r4") == {"top": "HIT", "left": "RAN", "right": "HIT", "end": "HIT"}
    assert diff(store, "r1", "r4").steps == {}
    assert run(Graph.of(make("other")), store, run_id="r5") == {"other": "RAN"}
    assert len(gc(store, keep_runs=1, min_age_s=0).outputs) == 4
    assert run(graph, store, run_id="r6") == dict.fromkeys(DIAMOND, "RAN")


def test_the_same_results_as_on_a_disk(store: Store, tmp_path: Path) -> None:
    graph, disk = diamond(), Store.at(tmp_path / "disk")
    run(graph, store)
    execute(graph, disk, InProcess)
    for name in DIAMOND:
        here, there = (s.find(name, graph.keys[name], verify=True).sound for s in (store, disk))
        assert here is not None
        assert there is not None
        assert here.manifest.digest == there.manifest.digest


def test_nothing_is_visible_before_the_pointer(store: Store) -> None:
    lease = take(store)
    folder = made(store, lease)
    folder.write_bytes(MANIFEST, manifest(folder).to_bytes())  # a driver died here
    assert store.find("step", KEY).output is None
    assert store.outputs() == {}
    store.publish(folder, manifest(folder), lease)
    assert store.find("step", KEY, verify=True).sound is not None
    names = sorted(f.name.rpartition("/")[2] for f in store.root.sub("objects").files())
    assert names == sorted([POINTER, MANIFEST, "about.json"])


def test_the_first_pointer_stays(store: Store) -> None:
    first = take(store)
    one = made(store, first, "one")
    store.publish(one, manifest(one), first)
    first.release()
    second = take(store)
    two = made(store, second, "two")
    kept = store.publish(two, manifest(two), second)
    assert kept.folder.read_json("about.json") == {"text": "one"}
    assert not two.exists()


def test_a_replaced_output_leaves_no_files(store: Store) -> None:
    for text in ("one", "two"):
        lease = take(store)
        folder = made(store, lease, text)
        output = store.publish(folder, manifest(folder), lease, replace=True)
        lease.release()
    assert output.folder.read_json("about.json") == {"text": "two"}
    assert len([f for f in store.root.sub("objects").files() if f.name.endswith("about.json")]) == 1


def test_a_lost_lease_cannot_publish(store: Store) -> None:
    lease = take(store)
    folder = made(store, lease)
    lease.stop_heartbeat()
    other = store.leases(LeaseTiming(heartbeat_s=0.01, expiry_s=0.05, settle_s=0.01))
    heir = None
    while not isinstance(heir, Lease):
        heir = other.acquire(f"step-{KEY[:16]}")
    store.draft("step", KEY, heir)  # the heir deletes what the zombie uploaded
    with pytest.raises(LeaseLost):
        store.publish(folder, manifest(folder), lease)
    assert not folder.exists()


def test_heartbeats_are_seen_without_modification_times(store: Store) -> None:
    lease = take(store)
    other = store.leases(QUICK)
    until = time.monotonic() + 3 * QUICK.expiry_s
    while time.monotonic() < until:
        assert not isinstance(other.acquire(f"step-{KEY[:16]}"), Lease)
        time.sleep(0.05)
    assert lease.held()


@pytest.mark.slow
def test_on_s3(s3_uri: str) -> None:
    """The same on an S3 server, through pyarrow's own S3 client."""
    store, graph = Store.at(s3_uri), Graph.of(make("b", make("a")))
    assert run(graph, store) == {"a": "RAN", "b": "RAN"}
    assert run(graph, store) == {"a": "HIT", "b": "HIT"}
    output = store.find("a", graph.keys["a"], verify=True).output
    assert output is not None
    output.folder.write_bytes("data.parquet", b"short")
    result = execute(graph, store, InProcess, timing=QUICK)
    assert result.names(State.RAN) == ["a"]
    assert run(Graph.of(make("other")), store, run_id="zz") == {"other": "RAN"}
    assert len(gc(store, keep_runs=1, min_age_s=0).outputs) == 2
