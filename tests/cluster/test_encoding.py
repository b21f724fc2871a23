from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cluster.encoding import encode_shards, plan_actors
from components.embeddings import Embeddings
from components.encoders import registry
from components.errors import UserError
from components.files import Folder


def _texts(root: Path, sizes: tuple[int, ...] = (70, 5, 33)) -> Folder:
    """Shards of made-up texts; rows are in no order of their ids."""
    folder, n = Folder.at(root), 0
    for shard, size in enumerate(sizes):
        numbers = [(n + k) * 7919 % 1000 for k in range(size)]
        table = {"id": [f"t{k:04d}" for k in numbers], "text": [f"item {k} of colour {k % 7}" for k in numbers]}
        folder.write_table(f"shards/part-{shard:05d}.parquet", pa.table(table))
        n += size
    return folder


def _bytes(folder: Folder) -> dict[str, bytes]:
    return {f.name: folder.read_bytes(f.name) for f in folder.files()}


@pytest.fixture
def shards(tmp_path: Path) -> Folder:
    return _texts(tmp_path / "texts")


def _encode(shards: Folder, out: Path, **kwargs: object) -> Folder:
    encode_shards(shards, Folder.at(out), "hashed-tfidf", modality="text", **kwargs)  # type: ignore[arg-type]
    return Folder.at(out)


def test_files_mirror_the_shards_and_vectors_belong_to_their_ids(shards: Folder, tmp_path: Path) -> None:
    out = _encode(shards, tmp_path / "out", engine="local", batch_size=16)
    encoder = registry.load("hashed-tfidf")
    for name in shards.parquet_names("shards"):
        rows, written = shards.read_table(name), out.read_table(name.replace("shards", "embeddings"))
        assert written["id"].to_pylist() == rows["id"].to_pylist()
        assert written.schema.field("embedding").type == pa.list_(pa.float32(), 512)
        found = Embeddings.from_table(written)
        np.testing.assert_allclose(found.vectors, encoder.encode(rows["text"].to_pylist()), atol=1e-6)
    assert out.read_json("encoder.json") == {
        "encoder": "hashed-tfidf",
        "dim": 512,
        "licence": "Apache-2.0",
        "modality": "text",
    }
    assert len(Embeddings.read(out)) == 108


def test_progress_counts_up_to_all_rows(shards: Folder, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    _encode(shards, tmp_path / "out", engine="local", batch_size=16, progress=lambda *a: seen.append(a))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (108, 108)


def test_result_says_what_was_done(shards: Folder, tmp_path: Path) -> None:
    done = encode_shards(shards, Folder.at(tmp_path / "o"), "hashed-tfidf", modality="text", engine="local")
    assert (done.rows, done.dim, done.encoder) == (108, 512, "hashed-tfidf")
    assert done.rows_per_s == pytest.approx(done.rows / done.seconds)


def test_a_row_that_cannot_be_encoded_is_named(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (20, 20)).save(stream, "PNG")
    pictures = [stream.getvalue()] * 4 + [b"broken"]
    source = Folder.at(tmp_path / "in")
    source.write_table("shards/part-00000.parquet", pa.table({"id": list("abcde"), "image": pictures}))
    with pytest.raises(UserError, match=r"part-00000.parquet: row 'e' cannot be encoded \(undecodable image\)"):
        encode_shards(source, Folder.at(tmp_path / "out"), "hog-color", modality="image", engine="local")


def test_what_cannot_work_is_refused_before_anything_starts(shards: Folder, tmp_path: Path) -> None:
    out = Folder.at(tmp_path / "out")
    with pytest.raises(UserError, match="it must be one of ray, local"):
        encode_shards(shards, out, "auto", modality="text", engine="spark")
    with pytest.raises(UserError, match="'hog-color' takes images, not texts"):
        encode_shards(shards, out, "hog-color", modality="text")
    with pytest.raises(UserError, match="no shards to encode"):
        encode_shards(out, out, "auto", modality="text")
    assert not out.files()


@pytest.mark.parametrize(
    ("nodes", "chunks", "expected"),
    [
        ([{"CPU": 2.0}], 30, (2, 1)),
        ([{"CPU": 2.0}], 1, (1, 2)),
        ([{"CPU": 64.0}], 500, (16, 4)),
        ([{"CPU": 8.0}, {"CPU": 4.0}], 500, (12, 1)),
        ([{"CPU": 8.0}, {"CPU": 2.0}], 3, (3, 2)),
        ([{}, {"CPU": 4.0}], 500, (4, 1)),
    ],
)
def test_actors_times_threads_fill_the_cpus(
    nodes: list[dict[str, float]], chunks: int, expected: tuple[int, int]
) -> None:
    plan = plan_actors(chunks, nodes=nodes, actors=None, gpus=0.0)
    assert (plan.actors, plan.cpus) == expected
    assert plan.actors * plan.cpus <= sum(n.get("CPU", 0) for n in nodes)
    assert plan.load_options(None).device == "cpu"
    assert plan.load_options(None).threads == plan.cpus


def test_actors_on_gpus_share_the_cpus_out() -> None:
    nodes = [{"CPU": 16.0, "GPU": 2.0}]
    plan = plan_actors(500, nodes=nodes, actors=None, gpus=1.0)
    assert (plan.actors, plan.cpus, plan.gpus) == (2, 8, 1.0)
    assert plan.load_options(None).device == "auto"
    assert plan_actors(500, nodes=nodes, actors=None, gpus=0.5).actors == 4
    assert plan_actors(500, nodes=nodes, actors=1, gpus=1.0).actors == 1


def test_an_actor_takes_its_share_of_one_gpu_and_a_cpu_beside_it() -> None:
    nodes = [{"CPU": 64.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 3.0, "GPU": 1.0}]
    assert plan_actors(500, nodes=nodes, actors=None, gpus=0.4).actors == 4  # two on each: none across both
    assert plan_actors(500, nodes=nodes, actors=None, gpus=0.25).actors == 4 + 3  # the second one lacks CPUs
    assert plan_actors(500, nodes=nodes, actors=None, gpus=0.25).cpus == 1
    with pytest.raises(UserError, match="no node has 2 GPUs and a CPU"):
        plan_actors(500, nodes=nodes, actors=None, gpus=2.0)


@pytest.mark.ray
def test_ray_writes_the_same_bytes_whatever_the_actors(ray_cluster: None, shards: Folder, tmp_path: Path) -> None:
    local = _bytes(_encode(shards, tmp_path / "local", engine="local", batch_size=16))
    assert len(local) == 4
    for actors in (1, 2):
        assert _bytes(_encode(shards, tmp_path / f"ray{actors}", actors=actors, batch_size=16)) == local


@pytest.mark.ray
def test_ray_names_the_row_that_cannot_be_encoded(ray_cluster: None, tmp_path: Path) -> None:
    source = Folder.at(tmp_path / "in")
    source.write_table("shards/part-00000.parquet", pa.table({"id": ["ok"], "image": [b"broken"]}))
    with pytest.raises(UserError, match=r"row 'ok' cannot be encoded \(undecodable image\)"):
        encode_shards(source, Folder.at(tmp_path / "out"), "hog-color", modality="image")


@pytest.mark.ray
def test_two_sides_at_once_in_tasks_without_cpus_both_finish(ray_cluster: None, tmp_path: Path) -> None:
    """Each pool asks for both CPUs; whichever comes second must still get its turn."""
    import ray

    encode = ray.remote(num_cpus=0)(encode_shards)
    sides = [
        encode.remote(
            _texts(tmp_path / name, (200, 200)),
            Folder.at(tmp_path / f"{name}-out"),
            "hashed-tfidf",
            modality="text",
            actors=2,
            batch_size=16,
        )
        for name in ("left", "right")
    ]
    assert [done.rows for done in ray.get(sides, timeout=120)] == [400, 400]
    assert _bytes(Folder.at(tmp_path / "left-out")) == _bytes(Folder.at(tmp_path / "right-out"))
