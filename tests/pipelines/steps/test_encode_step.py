from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cluster.workflow.step import StepContext
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder
from pipelines.steps.encode import run


def _context(tmp_path: Path, shards: Folder, encoder: str, events: list[dict[str, Any]]) -> StepContext:
    return StepContext(
        name="encode-left",
        key="0" * 16,
        out=Folder.at(tmp_path / "out"),
        work=Folder.at(tmp_path / "work"),
        inputs={"shards": shards},
        config={"encoder": encoder},
        locations={},
        options={"engine": "local", "actors": None, "gpus_per_actor": 0.0, "batch_size": 8, "cache_dir": None},
        emit=lambda event: events.append(dict(event)),
    )


def _shards(tmp_path: Path, modality: str, column: Any, dim: int | None = None) -> Folder:
    folder = Folder.at(tmp_path / "shards")
    ids = [f"r{n}" for n in range(len(column))]
    folder.write_table("shards/part-00000.parquet", pa.table({"id": ids, modality: column, "group": ids}))
    folder.write_json("corpus.json", {"modality": modality, "rows": len(ids), "dim": dim})
    return folder


def test_texts_are_encoded_and_facts_say_how(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    ctx = _context(tmp_path, _shards(tmp_path, "text", [f"text {n}" for n in range(20)]), "hashed-tfidf", events)
    facts = run(ctx)
    assert {k: facts[k] for k in ("rows", "dim", "encoder")} == {"rows": 20, "dim": 512, "encoder": "hashed-tfidf"}
    assert facts["rows_per_s"] > 0
    assert Embeddings.read(ctx.out).dim == 512
    assert events[-1] == {"kind": "progress", "step": "encode-left", "done": 20, "total": 20, "unit": "rows"}


def test_given_embeddings_pass_through_unchanged(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 5)
    ctx = _context(tmp_path, _shards(tmp_path, "embedding", column, 5), "auto", [])
    facts = run(ctx)
    assert (facts["rows"], facts["dim"], facts["encoder"]) == (30, 5, "given")
    written = ctx.out.read_table("embeddings/part-00000.parquet")
    assert written.column_names == ["id", "embedding"]
    assert np.array_equal(Embeddings.from_table(written).vectors, vectors)
    assert ctx.out.read_json("encoder.json")["modality"] == "embedding"


def test_embeddings_of_another_length_than_announced_are_refused(tmp_path: Path) -> None:
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(10, np.float32)), 5)
    with pytest.raises(UserError, match=r"part-00000.parquet: .* do not have 4 columns"):
        run(_context(tmp_path, _shards(tmp_path, "embedding", column, 4), "auto", []))
