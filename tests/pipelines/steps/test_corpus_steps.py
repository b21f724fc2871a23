"""The bodies of the shard and pairs steps, on the built-in corpus and on files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.workflow.step import Facts, StepContext
from components.corpora.splits import Splits
from components.errors import UserError
from components.files import Folder
from pipelines.steps import pairs, shard

Event = Mapping[str, Any]


def context(out: Path, events: list[Event], **fields: Any) -> StepContext:
    empty: dict[str, Any] = {"inputs": {}, "config": {}, "locations": {}, "options": {"engine": "local"}}
    folders = {"out": Folder.at(out), "work": Folder.at(f"{out}.work")}
    return StepContext(name=out.name, key="k", emit=events.append, **folders, **(empty | fields))


def sharded(source: str, out: Path, events: list[Event], **config: Any) -> Facts:
    return shard.run(context(out, events, locations={"source": source}, config=config))


@pytest.fixture(scope="module")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folder]:
    root = tmp_path_factory.mktemp("emoji")
    for side in ("left", "right"):  # names twice: pictures take a second and add nothing here
        sharded("builtin:emoji-names" if side == "left" else "builtin:emoji-names:ja", root / side, [])
    return {f"shard-{side}": Folder.at(root / side) for side in ("left", "right")}


def test_shard_step(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    rows = "".join(f"{n},text {n},g{n % 3}\n" for n in range(99))
    (tmp_path / "t/a.csv").write_text(f"key,text,kind\n{rows}99,,g0\n")
    (tmp_path / "t/readme.md").write_text("x")
    events: list[Event] = []
    facts = sharded(str(tmp_path / "t"), tmp_path / "out", events, side="left", id="key", group="kind")
    assert (facts["rows"], facts["quarantined"], facts["modality"], facts["shards"]) == (99, 1, "text", 1)
    notes = [e["text"] for e in events if e["kind"] == "note"]
    assert "1 files of another form" in notes[0]
    assert "1 × empty text" in notes[1]
    assert [e["done"] for e in events if e["kind"] == "progress"] == [100]
    assert Folder.at(tmp_path / "out").read_json("corpus.json")["reasons"] == {"empty text": 1}
    json.dumps(facts)


def test_pairs_step_on_the_builtin_corpus(tmp_path: Path, emoji: dict[str, Folder]) -> None:
    ctx = context(tmp_path / "out", [], inputs=emoji, locations={"pairs": "builtin:emoji"}, config={"seed": 3})
    facts = pairs.run(ctx)
    splits = Splits.read(ctx.out)
    assert facts["heldout"] == 478
    assert facts["pool"] == 1914 - 478
    assert facts["splits"] == ["random", "group"]
    assert facts["draws"] == len(splits.draws["random"]) == 5
    assert splits.unpaired == "disjoint"
    assert min(facts["unpaired_left"], facts["unpaired_right"]) > 600
    json.dumps(facts)


def test_pairs_step_on_files(tmp_path: Path, emoji: dict[str, Folder]) -> None:
    ids = Folder.at(emoji["shard-left"].path).read_table("shards", ["id"])["id"].to_pylist()
    for name, some in (("pairs", ids[:150]), ("heldout", ids[150:300]), ("leaking", ids[100:300])):
        (tmp_path / f"{name}.csv").write_text("left_id,right_id\n" + "".join(f"{i},{i}\n" for i in some))

    def run(heldout: str) -> Facts:
        locations = {"pairs": str(tmp_path / "pairs.csv"), "heldout": str(tmp_path / f"{heldout}.csv")}
        return pairs.run(context(tmp_path / "out", [], inputs=emoji, locations=locations, config={"pairs_budget": 100}))

    facts = run("heldout")
    assert (facts["pool"], facts["heldout"]) == (150, 150)
    with pytest.raises(UserError, match=r"leaking\.csv: 50 ids .* are in .*pairs\.csv too"):
        run("leaking")


def test_pairs_step_tells_what_is_absent(tmp_path: Path) -> None:
    rows = "".join(f"{n},text {n}\n" for n in range(300))
    (tmp_path / "t.csv").write_text(f"id,text\n{rows}")
    (tmp_path / "pairs.csv").write_text("left_id,right_id\n" + "".join(f"{n},{n}\n" for n in range(60)))
    for side in ("left", "right"):
        sharded(str(tmp_path / "t.csv"), tmp_path / side, [])
    events: list[Event] = []
    inputs = {f"shard-{side}": Folder.at(tmp_path / side) for side in ("left", "right")}
    config = {"pairs_budget": 40, "draws": 5, "unknown": 1}
    locations = {"pairs": str(tmp_path / "pairs.csv")}
    facts = pairs.run(context(tmp_path / "out", events, inputs=inputs, locations=locations, config=config))
    notes = [e["text"] for e in events]
    assert facts["warnings"] == notes
    assert any("no group split: the rows have no group column" in n for n in notes)
    assert any("share most of their pairs (40 of 45)" in n for n in notes)
