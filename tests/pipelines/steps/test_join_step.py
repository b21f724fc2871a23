"""The views of one side, side by side by id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.workflow.step import StepContext
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder
from pipelines.steps.join import run

Event = Mapping[str, Any]
IDS = [f"r{n}" for n in range(6)]


def view(folder: Path, encoder: str, vectors: np.ndarray, ids: list[str]) -> Folder:
    out = Folder.at(folder).make()
    Embeddings(ids, vectors.astype(np.float32)).write(out)
    about = {"encoder": encoder, "dim": vectors.shape[1], "licence": f"of {encoder}", "modality": "text"}
    out.write_json("encoder.json", about)
    return out


def join(tmp_path: Path, events: list[Event], *views: Folder, columns: list[str]) -> StepContext:
    return StepContext(
        name="join-right",
        key="k",
        out=Folder.at(tmp_path / "out"),
        work=Folder.at(tmp_path / "work"),
        inputs={f"view-{n}": folder for n, folder in enumerate(views, start=1)},
        config={"columns": columns},
        locations={},
        options={},
        emit=events.append,
    )


def test_blocks_lie_side_by_side_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    a, b = np.arange(12.0).reshape(6, 2), np.arange(18.0).reshape(6, 3) + 100
    b[4] = np.nan
    events: list[Event] = []
    # stored as they come, not sorted by id
    order = [3, 0, 5, 1, 4, 2]
    second = view(tmp_path / "b", "use", b[order], [IDS[n] for n in order])
    ctx = join(tmp_path, events, view(tmp_path / "a", "minilm", a, IDS), second, columns=["name", "keywords"])
    assert run(ctx) == {"rows": 6, "dim": 5, "views": 2, "missing": 1}
    joined = Embeddings.read(ctx.out)
    assert (joined.ids, joined.blocks) == (IDS, (2, 3))
    np.testing.assert_array_equal(joined.vectors, np.concatenate([a, b], axis=1))
    about = ctx.out.read_json("encoder.json")
    assert (about["encoder"], about["dim"], about["licence"]) == ("minilm + use", 5, "of minilm; of use")
    assert [(v["column"], v["dim"], v["missing"]) for v in about["views"]] == [("name", 2, 0), ("keywords", 3, 1)]
    assert [e["text"] for e in events if e["kind"] == "note"] == [
        "1 rows have no keywords; they are placed by their other views"
    ]


def test_views_of_different_rows_are_refused(tmp_path: Path) -> None:
    a = view(tmp_path / "a", "minilm", np.ones((6, 2)), IDS)
    b = view(tmp_path / "b", "use", np.ones((5, 2)), IDS[:5])
    with pytest.raises(UserError, match="different rows"):
        run(join(tmp_path, [], a, b, columns=["name", "keywords"]))
