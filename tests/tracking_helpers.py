"""Events of small pipeline runs, and what MLflow holds of them afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cluster.tracking.database import default_uri
from cluster.workflow.step import StepContext
from components.embeddings import Embeddings
from components.errors import UserError
from components.files import Folder
from components.model import ModelSide, SharedSpace
from components.model_views import ModelView
from components.transforms import UnitRows

T0 = 1_700_000_000.0
HERE = str(Path(__file__).parent)  # for drivers in processes of their own


def step_output(folder: Path, **files: str) -> Path:
    """A published output: ``a_png="…"`` makes the file ``a.png``; the manifest is always there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    (folder / "MANIFEST.json").write_text(json.dumps({"step": folder.name, "files": sorted(files)}))
    return folder


def exported_model(output: Path) -> Path:
    """The output of an export step: the axes of a 3-d space on both sides, so the answer to a search is known."""
    sides = {
        name: ModelSide(
            modality="embedding",
            views=(ModelView(encoder="none", dim=3),),
            transform=UnitRows(),
            index=Embeddings([f"{name}-{axis}" for axis in "xyz"], np.eye(3, dtype=np.float32)),
            titles={},
            thumbnails={},
        )
        for name in ("left", "right")
    }
    SharedSpace(sides, {"recipe": "test"}).save(Folder.at(step_output(output) / "model").make())
    return output


def started(run: str, **more: Any) -> dict[str, Any]:
    return {"kind": "run-started", "time": T0, "run": run, "pipeline": "align", **more}


def ended(run: str, state: str = "DONE") -> dict[str, Any]:
    return {"kind": "run-finished", "time": T0 + 100, "run": run, "state": state, "seconds": 100.0, "error": None}


def finished(run: str, step: str, *, cached: bool = False, **more: Any) -> dict[str, Any]:
    event = {"kind": "step-finished", "time": T0 + 20, "run": run, "step": step, "key": "ab" * 32, "version": "1"}
    return {**event, "cached": cached, "seconds": 3.5, "facts": {}, "config": {}, "inputs": {}, **more}


def step_events(run: str, step: str, *, points: int = 3, **more: Any) -> Iterator[dict[str, Any]]:
    """A step that starts, draws a loss curve and ends."""
    yield {"kind": "step-started", "time": T0 + 1, "run": run, "step": step}
    for n in range(points):
        at = T0 + 2 + n
        yield {"kind": "metric", "time": at, "run": run, "step": step, "name": "loss", "value": 1 / (n + 1), "index": n}
    yield finished(run, step, **more)


def small_run(run: str, *, steps: int = 2, points: int = 3) -> Iterator[dict[str, Any]]:
    yield started(run)
    for n in range(steps):
        yield from step_events(run, f"step-{n}", points=points, facts={"rows": n})
    yield ended(run)


def client(home: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(default_uri(home))


def runs(home: Path, experiment: str = "isthmus") -> list[Any]:
    """All living runs, parents before children, by name."""
    source = client(home)
    found = source.get_experiment_by_name(experiment)
    if found is None:
        return []
    return sorted(
        source.search_runs([found.experiment_id]), key=lambda r: ("mlflow.parentRunId" in r.data.tags, r.info.run_name)
    )


def run_of(home: Path, step: str) -> Any:
    """The only run of a step."""
    (only,) = [r for r in runs(home) if r.data.tags.get("step.name") == step]
    return only


def snapshot(home: Path, artifacts_from: Any = None) -> list[Any]:
    """Everything MLflow knows of every run: two equal snapshots mean that nothing was lost, doubled or changed.

    Args:
        artifacts_from: client of the server that keeps the artifacts, if they are not in ``home``.
    """
    source = client(home)
    return [
        (
            r.data.tags["isthmus.uid"],
            r.info.status,
            r.data.params,
            sorted((n, m.step, m.value) for n in r.data.metrics for m in source.get_metric_history(r.info.run_id, n)),
            {k: v for k, v in r.data.tags.items() if not k.startswith("mlflow.parent")},
            sorted((i.dataset.name, i.dataset.digest) for i in r.inputs.dataset_inputs),
            sorted(a.path for a in (artifacts_from or source).list_artifacts(r.info.run_id)),
        )
        for r in runs(home)
    ]


def script(code: str, *args: str, **more: Any) -> subprocess.Popen[str]:
    """Python code in its own process, in the repository's root: its packages come before the tests' folders."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=pipe, stderr=pipe, text=True, cwd=Path(HERE).parent, **more
    )


def make(context: StepContext) -> dict[str, int]:
    for epoch in range(3):
        context.metric("loss", 1.0 / (1 + epoch), epoch)
    context.note("made it")
    context.out.write_bytes("plot.svg", b"<svg/>")
    return {"rows": 7}


def fail(context: StepContext) -> dict[str, int]:
    raise UserError("the embedding of row 'a17' has 3 NaN values", where="images.parquet")
