"""What a run returns: each step's end, and the run's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cluster.workflow.graph import Graph
from cluster.workflow.store import Output


class State(StrEnum):
    """How a step ended. HIT: its output was there. SKIPPED: not needed, or an input of it failed."""

    HIT = "HIT"
    RAN = "RAN"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How one step ended.

    Attributes:
        seconds: of the body; for a hit, what it took when it was made.
        reason: why it ran, or why it was skipped.
        error: one sentence, if it failed.
        log: path of its log file, if one was written.
        output: where its files are, if there are any.
        origin_run: the run that made the output.
    """

    name: str
    state: State
    key: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    error: str | None = None
    log: str | None = None
    output: Output | None = None
    origin_run: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended: ``steps`` in topological order, and wall-clock seconds."""

    run_id: str
    steps: Mapping[str, StepResult]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> list[StepResult]:
        return [s for s in self.steps.values() if s.state is State.FAILED]

    @property
    def error(self) -> str | None:
        """What the user reads last: the failed steps, each with its root cause and log; None if nothing failed."""
        if self.ok:
            return None
        told = [f"step {s.name} failed: {s.error}{f' (log: {s.log})' if s.log else ''}" for s in self.failed]
        return "\n".join([*told, "the same command goes on where this run stopped"])

    def names(self, state: State) -> list[str]:
        """Names of the steps that ended in this state."""
        return [s.name for s in self.steps.values() if s.state is state]


def finished_fields(graph: Graph, result: StepResult) -> dict[str, Any]:
    """What ``step-finished`` carries.

    Keys: key, version, cached, seconds, facts, output (path), origin_run, files ({digest, bytes, rows, count}), config,
    externals, inputs (name -> {step, key, digest}), warnings, reason, log.
    """
    assert result.output is not None
    manifest, step = result.output.manifest, graph.steps[result.name]
    return {
        "key": result.key,
        "version": step.version,
        "cached": result.state is State.HIT,
        "seconds": result.seconds,
        "facts": dict(result.facts),
        "output": result.output.place,
        "origin_run": result.origin_run,
        "files": {
            "digest": manifest.digest,
            "bytes": manifest.num_bytes,
            "rows": manifest.num_rows,
            "count": len(manifest.files),
        },
        "config": dict(step.config),
        "externals": dict(step.externals),
        "inputs": {n: {"step": r.step, "key": r.key, "digest": r.digest} for n, r in manifest.inputs.items()},
        "warnings": list(result.warnings),
        "reason": result.reason,
        "log": result.log,
    }


def failed_fields(graph: Graph, result: StepResult) -> dict[str, Any]:
    """What ``step-failed`` carries."""
    step = graph.steps[result.name]
    return {
        "key": result.key,
        "version": step.version,
        "error": result.error,
        "log": result.log,
        "seconds": result.seconds,
        "config": dict(step.config),
        "externals": dict(step.externals),
        "inputs": {n: {"step": s.name, "key": graph.keys[s.name]} for n, s in step.inputs.items()},
    }
