"""Which files of a step's output MLflow gets, and their copies in the outbox.

Small files that a person may want to look at are uploaded; embeddings, shards and weights stay in the store, and the
manifest that is uploaded names each of them with its URI.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from cluster.tracking.redact import redact_text, redact_value
from cluster.workflow.capture import tail
from cluster.workflow.manifest import MANIFEST
from components.files import FileFact, Folder

SUFFIXES = frozenset({".png", ".svg", ".html", ".json", ".csv", ".md", ".txt"})
MAX_FILE_BYTES = 5 * 2**20
MAX_STEP_BYTES = 25 * 2**20
MAX_MODEL_BYTES = 200 * 2**20  # through a server; its proxy gives up on more
MAX_LOCAL_MODEL_BYTES = 8 * 2**30  # of a store whose artifacts lie on this disk
MODEL_FOLDER = "model"

Staged = dict[str, str]


def select_files(files: Iterable[FileFact]) -> list[FileFact]:
    """Small readable files: at most 5 MiB each and 25 MiB in all, smallest first, without the manifest."""
    chosen, total = [], 0
    for fact in sorted(files, key=lambda f: (f.num_bytes, f.name)):
        wanted = PurePosixPath(fact.name).suffix.lower() in SUFFIXES and fact.name != MANIFEST
        if wanted and fact.num_bytes <= MAX_FILE_BYTES and total + fact.num_bytes <= MAX_STEP_BYTES:
            chosen.append(fact)
            total += fact.num_bytes
    return chosen


def stage_output(output: Folder, into: Path, *, manifest_only: bool = False) -> list[Staged]:
    """Copy a step's small files and its annotated manifest below ``into``.

    Returns:
        ``{"staged": path relative to the outbox folder, "folder": folder of the artifact in MLflow}`` for each.
    """
    facts = output.files()
    chosen = [] if manifest_only else select_files(facts)
    staged = [_stage_file(output, fact.name, into) for fact in chosen]
    manifest = _annotated_manifest(output, facts, {fact.name for fact in chosen})
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    return [*staged, stage_bytes(MANIFEST, text.encode(), into, folder="")]


def stage_log(log: str, into: Path) -> list[Staged]:
    """The last MiB of a failed step's log file, masked. Empty if there is no such file."""
    source = Path(log)
    if not log or not source.is_file():
        return []
    return [stage_bytes(source.name, redact_text(tail(source)).encode(), into, folder="logs")]


def stage_bytes(name: str, data: bytes, into: Path, *, folder: str) -> Staged:
    """A file that is in memory as an artifact; ``name`` is relative to ``into``."""
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return _entry(into, path, folder)


def stage_model(output: Folder, into: Path, *, limit: int = MAX_MODEL_BYTES) -> str:
    """Copy the exported model's folder. Returns why not, or an empty string.

    The copy stands in ``into / "model"``.
    """
    model = output.sub(MODEL_FOLDER)
    files = model.files()
    size = sum(f.num_bytes for f in files)
    if not files:
        return f"the step wrote no folder {MODEL_FOLDER}/"
    if size > limit:
        return f"the model has {size} bytes, more than the {limit} that are uploaded: {redact_text(model.path)}"
    for fact in files:
        _copy(model, fact.name, into / MODEL_FOLDER / fact.name)
    return ""


def model_limit(uri: str) -> int:
    """Bytes of a model that the store of this tracking URI takes."""
    return MAX_LOCAL_MODEL_BYTES if uri.startswith("sqlite:") else MAX_MODEL_BYTES


def _stage_file(output: Folder, name: str, into: Path) -> Staged:
    target = into / "output" / name
    _copy(output, name, target)
    folder = str(PurePosixPath(name).parent)
    return _entry(into, target, "" if folder == "." else folder)


def _copy(source: Folder, name: str, target: Path) -> None:
    """A hard link where the filesystem allows it: published outputs never change."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if not source.is_local:
        target.write_bytes(source.read_bytes(name))
        return
    try:
        os.link(source.local / name, target)
    except OSError:
        shutil.copyfile(source.local / name, target)


def _entry(into: Path, path: Path, folder: str) -> Staged:
    # staged files live in <outbox>/<run>/files/<n>/…: relative to the outbox folder, so that a moved home still replays
    return {"staged": str(path.relative_to(into.parent.parent)), "folder": folder}


def _annotated_manifest(output: Folder, facts: list[FileFact], uploaded: set[str]) -> dict[str, Any]:
    manifest: Any = output.read_json(MANIFEST) if any(f.name == MANIFEST for f in facts) else {}
    where = [
        {"name": f.name, "bytes": f.num_bytes, "uploaded": f.name in uploaded, "uri": f"{output.path}/{f.name}"}
        for f in facts
        if f.name != MANIFEST
    ]
    return dict(redact_value({"manifest": manifest, "where": where}))
