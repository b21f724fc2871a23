"""A step as pure data, and what its body is given when it runs. Free of Ray and MLflow types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from components.files import Folder

Facts = dict[str, Any]
Emit = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a step reserves while it runs. A step that itself drives Ray Data, Train or Tune reserves nothing."""

    cpus: float = 1.0
    gpus: float = 0.0


DRIVER = Resources(cpus=0.0)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One node of the DAG.

    Attributes:
        name: unique in its graph; lower case, digits and dashes.
        version: declared by the author; raised whenever the body's result changes.
        run: ``"package.module:function"``; imported where it runs; called with a :class:`StepContext`, returns facts.
        config: JSON values that decide the result. Hashed.
        inputs: name -> step whose output this one reads. Hashed by their keys.
        externals: name -> digest of a file, package or URI outside the store. Hashed.
        locations: where the externals are. Recorded, not hashed: a moved file with equal content is a hit.
        resources: recorded, not hashed.
        options: how it runs (workers, batch rows per task, log level …). Recorded, not hashed.
    """

    name: str
    version: str
    run: str
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Step] = field(default_factory=dict)
    externals: Mapping[str, str] = field(default_factory=dict)
    locations: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    options: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> Callable[[StepContext], Facts]:
        module, _, function = self.run.partition(":")
        return getattr(import_module(module), function)  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What a step's body sees.

    Attributes:
        name, key: of the step.
        out: empty private folder; whatever is written here is published if the body returns.
        work: folder that outlives a crash (same for every attempt at this key), for checkpoints; removed on success.
        inputs: name -> published folder of the dependency.
        config, locations, options: as in :class:`Step`.
        emit: sends an event to the driver; see :mod:`cluster.workflow.events`. Picklable: workers may use it too.
    """

    name: str
    key: str
    out: Folder
    work: Folder
    inputs: Mapping[str, Folder]
    config: Mapping[str, Any]
    locations: Mapping[str, str]
    options: Mapping[str, Any]
    emit: Emit

    def progress(self, done: int, total: int | None = None, unit: str = "rows") -> None:
        """Tell the driver how far this step is (absolute count)."""
        self.emit({"kind": "progress", "step": self.name, "done": done, "total": total, "unit": unit})

    def metric(self, name: str, value: float, index: int = 0) -> None:
        """One point of a metric's curve, e.g. the loss of epoch ``index``. Goes to MLflow."""
        self.emit({"kind": "metric", "step": self.name, "name": name, "value": float(value), "index": index})

    def placed(self, nodes: Mapping[str, int]) -> None:
        """How many pieces of the step ran on which node. Goes to the manifest (``made.nodes``)."""
        if nodes:
            self.emit({"kind": "placed", "step": self.name, "nodes": dict(nodes)})

    def note(self, text: str) -> None:
        """One line that the user should read now (e.g. the alignability gauge's verdict)."""
        self.emit({"kind": "note", "step": self.name, "text": text})
