"""The store on a disk: an output is there completely or not at all, and damage is seen."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.workflow.lease import Lease, LeaseLost, LeaseTiming
from cluster.workflow.manifest import MANIFEST, FileEntry, Manifest, ManifestError, describe_files
from cluster.workflow.store import Output, Store
from components.errors import UserError
from components.files import Folder

KEY = "ab" * 32


def take(store: Store, name: str = "step") -> Lease:
    lease = store.leases().acquire(f"{name}-{KEY[:16]}")
    assert isinstance(lease, Lease)
    return lease


def draft(store: Store, lease: Lease, number: int = 1) -> Folder:
    made = store.draft("step", KEY, lease).sub("attempt").make()
    made.write_table("shards/part-0.parquet", pa.table({"id": ["a", "b"], "n": [number, 2]}))
    made.write_json("about.json", {"text": "ü"})
    return made


def manifest(made: Folder, key: str = KEY) -> Manifest:
    return Manifest(step="step", version="1", key=key, files=describe_files(made), facts={"n": 1})


def publish(store: Store, number: int = 1) -> Output:
    lease = take(store)
    made = draft(store, lease, number)
    output = store.publish(made, manifest(made), lease)
    lease.release()
    return output


def test_the_manifest_says_what_is_there(tmp_path: Path) -> None:
    output = publish(Store.at(tmp_path))
    shard = next(f for f in output.manifest.files if f.name == "shards/part-0.parquet")
    assert (shard.rows, shard.schema) == (2, {"id": "string", "n": "int64"})
    assert shard.bytes == (output.folder.local / shard.name).stat().st_size
    assert (output.manifest.num_rows, output.manifest.facts) == (2, {"n": 1})


def test_a_published_output_is_found_under_its_key_only(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    publish(store)
    found = store.find("step", KEY, verify=True)
    assert found.sound is not None
    assert found.sound.folder.read_table("shards")["id"].to_pylist() == ["a", "b"]
    assert store.find("step", "cd" * 32).output is None
    assert store.find("other", KEY).output is None


def test_nothing_is_visible_before_it_is_published_and_no_draft_is_left_after(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    lease = take(store)
    made = draft(store, lease)
    assert store.find("step", KEY).output is None
    assert store.outputs() == {}
    store.publish(made, manifest(made), lease)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert list(store.outputs()) == [f"step-{KEY[:16]}"]


def test_a_folder_without_a_manifest_is_no_output_and_does_not_block(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    half = tmp_path / "objects" / f"step-{KEY[:16]}"
    half.mkdir(parents=True)
    (half / "about.json").write_text("half")
    assert store.find("step", KEY).output is None
    assert publish(store).folder.read_json("about.json") == {"text": "ü"}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_cut, "truncated"),
        (_flip, "bit-flipped"),
        (Path.unlink, "missing"),
        (_grow, "grown"),
        (lambda path: os.truncate(path, 0), "truncated (0 of"),
    ],
)
@pytest.mark.parametrize("name", ["shards/part-0.parquet", "about.json"])
def test_damage_is_named(tmp_path: Path, harm: Callable[..., None], told: str, name: str) -> None:
    store = Store.at(tmp_path)
    path = publish(store).folder.local / name
    harm(path)
    found = store.find("step", KEY)
    assert found.sound is None
    assert found.damage is not None
    assert found.damage.startswith(name)
    assert told in found.damage


@pytest.mark.parametrize("harm", [_cut, _flip, _grow])
def test_a_damaged_manifest_is_not_believed(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    store = Store.at(tmp_path)
    harm(publish(store).folder.local / MANIFEST)
    found = store.find("step", KEY)
    assert found.output is None
    assert MANIFEST in (found.damage or "")


def test_a_manifest_of_another_format_is_refused_with_a_sentence(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    path = publish(store).folder.local / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    assert store.find("step", KEY).damage == f"{MANIFEST} has format 2, this release reads format 1"


def test_large_outputs_are_hashed_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.at(tmp_path)
    _flip(publish(store).folder.local / "about.json")
    monkeypatch.setattr("cluster.workflow.manifest.HASH_WITHOUT_ASKING", 10)
    assert store.find("step", KEY).damage is None
    assert "bit-flipped" in (store.find("step", KEY, verify=True).damage or "")


def test_a_second_output_of_the_same_key_leaves_the_first(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    first = publish(store, number=1)
    second = publish(store, number=9)
    assert second.manifest.digest == first.manifest.digest
    assert second.folder.read_table("shards")["n"].to_pylist() == [1, 2]


def test_replacing_is_explicit(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    publish(store, number=1)
    lease = take(store)
    made = draft(store, lease, number=9)
    store.publish(made, manifest(made), lease, replace=True)
    found = store.find("step", KEY, verify=True).sound
    assert found is not None
    assert found.folder.read_table("shards")["n"].to_pylist() == [9, 2]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    one, same = publish(Store.at(tmp_path / "a")), publish(Store.at(tmp_path / "b"))
    other = publish(Store.at(tmp_path / "c"), number=5)
    assert one.manifest.digest == same.manifest.digest != other.manifest.digest


def test_the_work_folder_survives_until_publishing(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    store.work("step", KEY).write_bytes("checkpoint", b"1")
    assert store.work("step", KEY).read_bytes("checkpoint") == b"1"
    publish(store)
    assert not store.work("step", KEY).exists()


def test_a_holder_that_lost_its_lease_cannot_publish(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    zombie = take(store)
    made = draft(store, zombie)
    _take_over(store, zombie)
    with pytest.raises(LeaseLost):
        store.publish(made, manifest(made), zombie)
    assert store.find("step", KEY).output is None


def test_not_even_if_it_fell_asleep_between_looking_and_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.at(tmp_path)
    zombie = take(store)
    made = draft(store, zombie)
    heir = _take_over(store, zombie)
    monkeypatch.setattr(zombie, "held", lambda: True)  # what it saw before it slept
    store.draft("step", KEY, heir)  # the heir begins: that takes the zombie's draft away
    with pytest.raises(LeaseLost):
        store.publish(made, manifest(made), zombie)
    assert store.find("step", KEY).output is None


def _take_over(store: Store, zombie: Lease) -> Lease:
    zombie.stop_heartbeat()
    impatient = store.leases(LeaseTiming(heartbeat_s=0.01, expiry_s=0.05))
    name = f"step-{KEY[:16]}"
    impatient.acquire(name)
    time.sleep(0.1)
    heir = impatient.acquire(name)
    assert isinstance(heir, Lease)
    assert heir.heir_of == zombie.token
    return heir


def test_newest_is_the_last_one_published_of_that_very_step(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    for number, key in enumerate(["11" * 32, "22" * 32]):
        lease = store.leases().acquire(f"step-{key[:16]}")
        assert isinstance(lease, Lease)
        made = store.draft("step", key, lease).sub("x").make()
        made.write_json("n.json", number)
        output = store.publish(made, manifest(made, key), lease)
        os.utime(output.folder.local / MANIFEST, (number, number))
    (tmp_path / "objects" / ("step-two-" + "33" * 8)).mkdir()
    newest = store.newest("step")
    assert newest is not None
    assert newest.key == "22" * 32
    assert store.newest("two") is None


def test_run_ids_cannot_leave_their_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run id"):
        Store.at(tmp_path).write_run("../../x", {})


def test_manifests_survive_the_way_through_json() -> None:
    files = (
        FileEntry(name="ü", sha256="0", bytes=1),
        FileEntry(name="b.parquet", sha256="1", bytes=2, rows=3, schema={}),
    )
    whole = Manifest(step="s", version="1", key=KEY, files=files, config={"a": {"b": [1, None]}}, made={"run": "r"})
    assert Manifest.from_bytes(whole.to_bytes()) == whole
    with pytest.raises(ManifestError):
        Manifest.from_bytes(b"[]")
