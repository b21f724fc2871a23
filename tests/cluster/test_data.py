"""Sharding: the same bytes whatever the order, the files, the engine; every bad row quarantined with a reason."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from PIL import Image

import cluster.data as data
import components.corpora.merge as merge
import components.corpora.spool as spool
import components.corpora.table as table
from cluster.data import ShardedCorpus, shard_corpus
from components.corpora.hashing import id_hashes
from components.corpora.source_config import SourceConfig
from components.corpora.sources import open_source
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder

Rows = list[dict[str, object]]


def shard(location: Path, out: Path, **options: object) -> ShardedCorpus:
    work = Folder.at(out / "work")
    options = {"engine": "local", "max_bad_fraction": 0.5, **options}
    return shard_corpus(open_source(SourceConfig(source=str(location))), Folder.at(out), work, **options)  # type: ignore


def digests(out: Path) -> dict[str, str]:
    files = [out / "corpus.json", *(out / "shards").iterdir()]
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def quarantine(out: Path) -> dict[str, str]:
    rows = Folder.at(out).read_table("quarantine/quarantine.parquet")
    return dict(zip(rows["row"].to_pylist(), rows["reason"].to_pylist(), strict=True))


def write_jsonl(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def texts(num: int = 300) -> Rows:
    return [{"id": f"t{n}", "text": f"text {n}", "group": f"g{n % 7}" if n % 5 else None} for n in range(num)]


def png(value: int, side: int = 16) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def test_rows_are_sorted_by_id_hash_over_all_shards(tmp_path: Path) -> None:
    corpus = shard(write_jsonl(tmp_path / "t.jsonl", texts()), tmp_path / "out", shards=8)
    rows = Folder.at(tmp_path / "out").read_table("shards")
    hashes = id_hashes(rows["id"].to_pylist())
    assert corpus.rows == len(rows) == 300
    assert (np.diff(hashes.astype(object)) > 0).all()
    assert len(list((tmp_path / "out/shards").iterdir())) == 8
    assert {r["id"]: (r["text"], r["group"]) for r in rows.to_pylist()} == {
        r["id"]: (r["text"], r["group"]) for r in texts()
    }


def shuffled(folder: Path, rows: Rows) -> Path:
    random.Random(3).shuffle(rows)
    return write_jsonl(folder / "shuffled.jsonl", rows)


def in_16_files(folder: Path, rows: Rows) -> Path:
    for n in range(16):
        write_jsonl(folder / f"many/{n}.jsonl", rows[n::16])
    return folder / "many"


def as_parquet(folder: Path, rows: Rows) -> Path:
    pq.write_table(pa.Table.from_pylist(rows).select(["group", "text", "id"]), folder / "t.parquet", row_group_size=37)
    return folder / "t.parquet"


@pytest.mark.parametrize("arrange", [shuffled, in_16_files, as_parquet])
def test_same_bytes_for_any_arrangement(tmp_path: Path, arrange: Callable[[Path, Rows], Path]) -> None:
    rows = [*texts(), {"id": "t5", "text": "text 5 again", "group": "g5"}, {"id": "t6", "text": "", "group": "g6"}]
    shard(write_jsonl(tmp_path / "t.jsonl", list(rows)), tmp_path / "a", shards=3)
    shard(arrange(tmp_path, list(rows)), tmp_path / "b", shards=3)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_same_bytes_for_any_size_of_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", texts())
    shard(path, tmp_path / "a")
    monkeypatch.setattr(spool, "UNIT_ROWS", 1)
    monkeypatch.setattr(spool, "GROUP_BYTES", 1)
    monkeypatch.setitem(table.BATCH, "text", 41)
    shard(path, tmp_path / "b")
    assert len(list((tmp_path / "b/work").glob("*/spool/*"))) == 8
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


@pytest.mark.ray
def test_ray_gives_the_bytes_of_one_process(tmp_path: Path, ray_cluster: None) -> None:
    for n in range(60):
        (tmp_path / f"pictures/{n % 4}").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"pictures/{n % 4}/{n}.png").write_bytes(png(n) if n else b"broken")
    seen: list[tuple[int, int | None]] = []
    here = shard(tmp_path / "pictures", tmp_path / "a", shards=3)
    there = shard(
        tmp_path / "pictures", tmp_path / "b", shards=3, engine="ray", progress=lambda *args: seen.append(args)
    )
    assert there == here
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert seen[-1] == (60, 60)


@pytest.mark.ray
def test_user_errors_come_back_from_ray_as_they_are(tmp_path: Path, ray_cluster: None) -> None:
    (tmp_path / "t.csv").write_text("id,path\n1,../x.png\n")
    with pytest.raises(UserError, match=r"t\.csv: the path '\.\./x\.png' of row 1 leads out") as caught:
        shard(tmp_path / "t.csv", tmp_path / "out", engine="ray")
    assert caught.value.do


def test_bad_pictures(tmp_path: Path) -> None:
    (tmp_path / "p/sub").mkdir(parents=True)
    files = {
        "good.png": png(1), "sub/good.png": png(2), "third.jpg": png(3), "fourth.gif": png(4), "fifth.png": png(5),
        "empty.png": b"", "broken.jpg": b"\xff\xd8\xff junk", "sub/dot.png": png(6, side=1),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / "p" / name).write_bytes(content)
    corpus = shard(tmp_path / "p", tmp_path / "out")
    ids = Folder.at(tmp_path / "out").read_table("shards")["id"].to_pylist()
    assert sorted(ids) == ["fifth", "fourth", "good", "sub/good", "third"]
    assert quarantine(tmp_path / "out") == {
        "empty": "empty image",
        "broken": "undecodable image",
        "sub/dot": "image too small",
    }
    assert (corpus.modality, corpus.rows, corpus.quarantined) == ("image", 5, 3)


def test_bad_texts_and_ids(tmp_path: Path) -> None:
    rows: Rows = [
        *texts(10),
        {"id": "none", "text": None},
        {"id": "blank", "text": " "},
        {"id": "long", "text": "x" * 1_000_000},
        {"id": "half", "text": "\ud800"},
        {"id": "", "text": "x"},
        {"text": "x"},
    ]
    corpus = shard(write_jsonl(tmp_path / "t.jsonl", rows), tmp_path / "out", max_bad_fraction=0.6)
    assert quarantine(tmp_path / "out") == {
        "none": "missing text",
        "blank": "empty text",
        "long": "text longer than 100 kB",
        "half": "text is not UTF-8",
        "#15": "missing id",
        "#16": "missing id",
    }
    assert corpus.reasons["missing id"] == 2


def test_bad_embeddings(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows: Rows = [{"id": f"v{n}", "embedding": rng.normal(size=4).tolist()} for n in range(20)]
    odd: dict[str, object] = {"short": [1.0, 2.0], "long": [1.0] * 5, "zero": [0.0] * 4, "none": None, "empty": []}
    odd |= {"nan": [float("nan"), 1, 1, 1], "inf": [1, float("-inf"), 1, 1], "huge": [1e300, 1, 1, 1]}
    rows += [{"id": i, "embedding": e} for i, e in odd.items()]
    corpus = shard(write_jsonl(tmp_path / "t.jsonl", rows), tmp_path / "out")
    assert quarantine(tmp_path / "out") == {
        "short": "embedding has another length",
        "long": "embedding has another length",
        "zero": "embedding has zero norm",
        "none": "missing embedding",
        "empty": "empty embedding",
        "nan": "embedding has NaN values",
        "inf": "embedding has infinite values",
        "huge": "embedding has infinite values",
    }
    assert corpus.dim == 4
    details = Folder.at(tmp_path / "out").read_table("quarantine/quarantine.parquet")["detail"].to_pylist()
    assert "2 values, the corpus has 4" in details
    read = Embeddings.read(Folder.at(tmp_path / "out"), "shards")
    assert np.allclose(read.rows(["v3"]), np.array(rows[3]["embedding"], dtype=np.float32))


def test_duplicates_within_and_across_files(tmp_path: Path) -> None:
    rows = texts(50)
    write_jsonl(tmp_path / "t/a.jsonl", [*rows, rows[1], rows[1]])
    write_jsonl(tmp_path / "t/b.jsonl", [rows[2], {**rows[3], "text": "other"}, {**rows[4], "group": "other"}])
    corpus = shard(tmp_path / "t", tmp_path / "out", max_bad_fraction=0.05)
    assert corpus.rows == 50
    assert corpus.reasons == {"duplicate id": 3, "duplicate id with other content": 2}
    assert corpus.duplicates == corpus.quarantined == 5


def test_too_many_bad_rows_stop_the_run_and_leave_the_list(tmp_path: Path) -> None:
    rows = [*texts(90), *({"id": f"e{n}", "text": ""} for n in range(7)), *({"id": f"m{n}"} for n in range(3))]
    write_jsonl(tmp_path / "t.jsonl", rows)
    words = (
        r"t\.jsonl: 10 of 100 rows are bad \(10\.0%, max_bad_fraction is 5\.0%\): "
        r"7 × empty text \(e\.g\. row e0 of t\.jsonl\), 3 × missing text .*; mend or remove the rows listed in (\S+),"
    )
    with pytest.raises(UserError, match=words) as caught:
        shard(tmp_path / "t.jsonl", tmp_path / "out", max_bad_fraction=0.05)
    listed = caught.value.do.split("listed in ")[1].split(",")[0]
    assert len(pq.read_table(listed)) == 10
    assert not (tmp_path / "out/shards").exists()


def test_empty_corpus(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,text\n")
    with pytest.raises(UserError, match=r"t\.csv: the corpus is empty"):
        shard(tmp_path / "t.csv", tmp_path / "out")


def test_nothing_usable(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,text\n1,\n")
    with pytest.raises(UserError, match="no row of the corpus can be used"):
        shard(tmp_path / "t.csv", tmp_path / "out", max_bad_fraction=1.0)


def test_all_rows_equal(tmp_path: Path) -> None:
    rows: Rows = [{"id": n, "embedding": [1.0, 2.0]} for n in range(20)]
    with pytest.raises(UserError, match="all 20 rows have the same embedding"):
        shard(write_jsonl(tmp_path / "t.jsonl", rows), tmp_path / "out")


def test_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = in_16_files(tmp_path, texts())
    monkeypatch.setattr("components.corpora.reading.PIECE_FILES", 4)
    read = data.spool_piece
    calls: list[int] = []

    def dies_at_third(*args: object) -> int:
        calls.append(args[2])  # type: ignore[arg-type]
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(data, "spool_piece", dies_at_third)
    with pytest.raises(KeyboardInterrupt):
        shard(path, tmp_path / "a")
    before = {f.name: f.stat().st_mtime_ns for f in (tmp_path / "a/work").glob("*/spool/*")}
    shard(path, tmp_path / "a")
    after = {f.name: f.stat().st_mtime_ns for f in (tmp_path / "a/work").glob("*/spool/*")}
    assert len(before) == 2
    assert before.items() <= after.items()
    shard(path, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_number_of_shards_follows_from_rows_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", texts())
    assert shard(path, tmp_path / "a").shards == 1
    monkeypatch.setitem(merge.SHARD_ROWS, "text", 100)
    assert shard(path, tmp_path / "b").shards == 3
    monkeypatch.setattr(merge, "SHARD_BYTES", 500)
    assert shard(path, tmp_path / "c").shards == 5  # 2,290 bytes of text


def test_other_filesystems(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", texts())
    shard(path, tmp_path / "a")
    elsewhere = Folder(pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), "b")
    source = open_source(SourceConfig(source=path.as_uri()))
    shard_corpus(source, elsewhere, elsewhere.sub("work"), engine="local")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_unknown_engine(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one of ray, local"):
        shard(write_jsonl(tmp_path / "t.jsonl", texts(2)), tmp_path / "out", engine="dask")


@pytest.mark.ray
def test_both_sides_at_once_from_tasks_that_hold_no_cpu(tmp_path: Path, ray_cluster: None) -> None:
    import ray

    for side in ("left", "right"):
        write_jsonl(tmp_path / f"{side}.jsonl", texts())

    def step(side: str) -> int:
        source = open_source(SourceConfig(source=str(tmp_path / f"{side}.jsonl")))
        folders = Folder.at(tmp_path / side), Folder.at(tmp_path / f"{side}.work")
        return shard_corpus(source, *folders, engine="ray", shards=4).rows

    task = ray.remote(num_cpus=0)(step)
    assert ray.get([task.remote(side) for side in ("left", "right")], timeout=120) == [300, 300]
    assert digests(tmp_path / "left") == digests(tmp_path / "right")


# several views of an item


def shard_views(location: Path, out: Path, **views: tuple[str, ...]) -> ShardedCorpus:
    source = open_source(SourceConfig(source=str(location), **views))  # type: ignore[arg-type]
    return shard_corpus(source, Folder.at(out), Folder.at(out / "work"), engine="local", max_bad_fraction=0.5)


def test_a_row_stays_while_it_has_one_of_its_texts(tmp_path: Path) -> None:
    rows: Rows = [{"id": f"t{n}", "name": f"name {n}", "words": f"words {n}"} for n in range(20)]
    rows[1]["words"], rows[2]["words"], rows[3]["name"] = None, "  ", ""
    rows[4]["name"] = rows[4]["words"] = None
    rows[5]["words"] = "\ud800"
    corpus = shard_views(write_jsonl(tmp_path / "t.jsonl", rows), tmp_path / "out", text=("name", "words"))
    assert quarantine(tmp_path / "out") == {"t4": "missing text", "t5": "text is not UTF-8"}
    assert corpus.views == [
        {"name": "text", "column": "name", "missing": 1, "dim": None},
        {"name": "text:words", "column": "words", "missing": 2, "dim": None},
    ]
    table = Folder.at(tmp_path / "out").read_table("shards").to_pylist()
    found = {row["id"]: (row["text"], row["text:words"]) for row in table}
    assert len(found) == corpus.rows == 18
    assert [found[f"t{n}"] for n in (0, 1, 2, 3)] == [
        ("name 0", "words 0"),
        ("name 1", None),
        ("name 2", None),
        (None, "words 3"),
    ]


def test_a_missing_embedding_is_a_row_of_nan_and_each_view_has_its_own_length(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows: Rows = [
        {"id": f"t{n}", "dino": rng.normal(size=4).tolist(), "clip": rng.normal(size=2).tolist()} for n in range(20)
    ]
    rows[3]["dino"], rows[4]["clip"] = None, None
    rows[5]["clip"] = [1.0, 2.0, 3.0]
    rows[6]["clip"] = [1.0, float("nan")]
    corpus = shard_views(write_jsonl(tmp_path / "t.jsonl", rows), tmp_path / "out", embedding=("dino", "clip"))
    assert quarantine(tmp_path / "out") == {
        "t5": "embedding has another length",
        "t6": "embedding has NaN values",
    }
    assert [(v["column"], v["missing"], v["dim"]) for v in corpus.views] == [("dino", 1, 4), ("clip", 1, 2)]
    assert (corpus.rows, corpus.dim) == (18, 6)
    table = {r["id"]: r for r in Folder.at(tmp_path / "out").read_table("shards").to_pylist()}
    assert np.isnan(table["t3"]["embedding"]).all() and np.isnan(table["t4"]["embedding:clip"]).all()
    np.testing.assert_allclose(table["t7"]["embedding:clip"], rows[7]["clip"], rtol=1e-6)  # type: ignore[arg-type]


def test_views_do_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    rows: Rows = [{"id": f"t{n % 50}", "name": f"n {n % 60}", "words": f"w {n}" if n % 3 else None} for n in range(90)]
    for name, some in (("a", rows), ("b", random.Random(1).sample(rows, 90))):
        shard_views(write_jsonl(tmp_path / f"{name}.jsonl", some), tmp_path / name, text=("name", "words"))
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_pictures_that_a_column_of_paths_names_become_pictures(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}.png").write_bytes(png(40 * n))
    table = write_jsonl(tmp_path / "t.jsonl", [{"id": f"p{n}", "path": f"{n}.png"} for n in range(3)])
    assert shard(table, tmp_path / "out").modality == "image"
    rows = Folder.at(tmp_path / "out").read_table("shards")
    assert rows.column_names == ["id", "image"]
    assert dict(zip(rows["id"].to_pylist(), rows["image"].to_pylist(), strict=True))["p2"] == png(80)
