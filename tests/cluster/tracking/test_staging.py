from __future__ import annotations

import json
from pathlib import Path

from tracking_helpers import step_output

from cluster.tracking import staging
from components.files import FileFact, Folder

MIB = 2**20


def test_only_small_readable_files_are_chosen() -> None:
    files = [
        FileFact("report.html", 3 * MIB),
        FileFact("figures/a.png", 10),
        FileFact("huge.csv", 5 * MIB + 1),
        FileFact("part-0.parquet", 10),
        FileFact("weights.safetensors", 10),
        FileFact("MANIFEST.json", 10),
    ]
    assert {f.name for f in staging.select_files(files)} == {"report.html", "figures/a.png"}


def test_a_step_uploads_25_mib_at_most() -> None:
    chosen = staging.select_files([FileFact(f"{n:02}.png", 4 * MIB) for n in range(10)])
    assert [f.name for f in chosen] == [f"{n:02}.png" for n in range(6)]


def test_staged_files_cost_no_space_and_outlive_the_output(tmp_path: Path) -> None:
    output = step_output(tmp_path / "out", plot_png="picture")
    into = tmp_path / "outbox" / "run" / "files" / "1"
    entries = staging.stage_output(Folder.at(output), into)
    assert entries[0] == {"staged": "files/1/output/plot.png", "folder": ""}
    copy = tmp_path / "outbox" / "run" / entries[0]["staged"]
    assert copy.stat().st_ino == (output / "plot.png").stat().st_ino
    Folder.at(output).delete()
    assert copy.read_text() == "picture"


def test_files_in_folders_keep_their_place(tmp_path: Path) -> None:
    output = step_output(tmp_path / "out")
    (output / "figures" / "deep").mkdir(parents=True)
    (output / "figures" / "deep" / "a.svg").write_text("<svg/>")
    entries = staging.stage_output(Folder.at(output), tmp_path / "box" / "files" / "1")
    assert {e["folder"] for e in entries} == {"figures/deep", ""}


def test_the_manifest_of_an_artifact_is_masked(tmp_path: Path) -> None:
    output = step_output(tmp_path / "out")
    (output / "MANIFEST.json").write_text(json.dumps({"config": {"source": "s3://me:pa55word@host/x"}}))
    into = tmp_path / "box" / "files" / "1"
    staging.stage_output(Folder.at(output), into, manifest_only=True)
    assert json.loads((into / "MANIFEST.json").read_text())["manifest"]["config"]["source"] == "s3://***@host/x"


def test_a_long_log_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    log.write_text("first line\n" + "x" * (2 * MIB) + "\nlast line\n")
    into = tmp_path / "box" / "files" / "1"
    assert staging.stage_log(str(log), into) == [{"staged": "files/1/step.log", "folder": "logs"}]
    text = (into / "step.log").read_text()
    assert text.endswith("last line\n")
    assert text.startswith("[the first ")
    assert len(text) <= MIB + 100
    assert staging.stage_log(str(tmp_path / "none.log"), into) == []


def test_a_model_that_is_missing_or_too_large_is_named(tmp_path: Path) -> None:
    output = step_output(tmp_path / "out")
    assert "no folder model/" in staging.stage_model(Folder.at(output), tmp_path / "m")
    (output / "model").mkdir()
    (output / "model" / "model.json").write_text("{}")
    assert "2 bytes" in staging.stage_model(Folder.at(output), tmp_path / "m", limit=1)
    assert staging.model_limit("http://x") < staging.model_limit("sqlite:///x.db")  # no proxy in between
    assert staging.stage_model(Folder.at(output), tmp_path / "m") == ""
    assert (tmp_path / "m" / "model" / "model.json").read_text() == "{}"
