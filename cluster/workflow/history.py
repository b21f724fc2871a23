"""Records of runs (``runs/<run id>.json``), and what differs between two of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.workflow.graph import Graph
from cluster.workflow.keys import changes, numbers
from cluster.workflow.owner import Owner
from cluster.workflow.provenance import provenance, without_secrets
from cluster.workflow.results import RunResult, StepResult
from cluster.workflow.store import Store
from components.errors import UserError


def new_run_id() -> str:
    """``20261122-052310-417-1a2b``: UTC to the millisecond and four random hex digits. Sorts by time."""
    now = time.time()
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now % 1 * 1000):03d}-{secrets.token_hex(2)}"


class RunRecord:
    """Writes the record of one run: at its start (so that gc knows what it uses) and at its end."""

    def __init__(
        self, store: Store, run_id: str, graph: Graph, pipeline: str, recipe: Mapping[str, Any] | None
    ) -> None:
        self._store, self._run_id, self._graph = store, run_id, graph
        self._record = {
            "run": run_id,
            "pipeline": pipeline,
            "recipe": recipe,
            "state": "RUNNING",
            "started": time.time(),
            "driver": Owner.new().to_json(),
            "made": provenance(),
            "steps": {name: self._step(name, None) for name in graph.steps},
        }

    def begin(self) -> None:
        """Raises UserError if the store cannot be written: better now than after an hour."""
        self._store.write_run(self._run_id, self._record)

    def end(self, result: RunResult, error: str | None) -> None:
        steps = {name: self._step(name, result.steps.get(name)) for name in self._graph.steps}
        state = {"state": "FAILED" if error else "DONE", "error": error, "finished": time.time()}
        self._store.write_run(self._run_id, {**self._record, **state, "seconds": result.seconds, "steps": steps})

    def _step(self, name: str, result: StepResult | None) -> dict[str, Any]:
        step = self._graph.steps[name]
        what = {
            "key": self._graph.keys[name],
            "version": step.version,
            "config": dict(step.config),
            "externals": dict(step.externals),
            "locations": {n: without_secrets(place) for n, place in step.locations.items()},
            "inputs": {n: s.name for n, s in step.inputs.items()},
            "state": "PLANNED",
        }
        if result is None:
            return what
        return {
            **what,
            "state": result.state.value,
            "seconds": result.seconds,
            "facts": dict(result.facts),
            "reason": result.reason,
            "error": result.error,
            "log": result.log,
            "origin_run": result.origin_run,
            "digest": result.output.manifest.digest if result.output else None,
        }


def find_run(store: Store, text: str) -> str:
    """The id of a run from ``last``, ``last~2`` (two before the last), an id, or the unique beginning of one.

    Raises:
        UserError: there is no such run, or more than one.
    """
    ids = store.run_ids()
    head, _, back = text.partition("~")
    if head == "last":
        steps_back = int(back) if back.isdigit() else 0
        if steps_back >= len(ids):
            raise UserError(f"there is no run {text!r}: {len(ids)} runs are recorded in {store.root.path}")
        return ids[-1 - steps_back]
    matching = [i for i in ids if i == text] or [i for i in ids if i.startswith(text)]
    if len(matching) == 1:
        return matching[0]
    some = ", ".join((matching or ids)[-3:]) or "none"
    raise UserError(
        f"{'no run starts' if not matching else f'{len(matching)} runs start'} with {text!r}", do=f"e.g. {some}"
    )


@dataclass(frozen=True, kw_only=True)
class FactChange:
    """A number that two runs report differently (None: one of them does not report it)."""

    name: str
    before: float | None
    after: float | None

    def __str__(self) -> str:
        return f"{self.name} {_number(self.before)} -> {_number(self.after)}"


@dataclass(frozen=True, kw_only=True)
class StepDiff:
    """What differs in one step: config and externals as sentences (``"alignment.dim 8 -> 16"``), and numbers."""

    config: tuple[str, ...] = ()
    externals: tuple[str, ...] = ()
    facts: tuple[FactChange, ...] = ()
    states: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return bool(self.config or self.externals or self.facts or self.states)


@dataclass(frozen=True, kw_only=True)
class RunDiff:
    """Steps that differ, the steps that only one run has, and what changed in the recipe."""

    run_a: str
    run_b: str
    recipe: tuple[str, ...]
    steps: Mapping[str, StepDiff]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()


def diff(store: Store, run_a: str, run_b: str) -> RunDiff:
    """Compare two recorded runs (ids as :func:`find_run` reads them). Raises UserError if one is not there."""
    first, second = store.read_run(find_run(store, run_a)), store.read_run(find_run(store, run_b))
    a, b = first["steps"], second["steps"]
    found = {name: diff_steps(a[name], b[name]) for name in a if name in b}
    return RunDiff(
        run_a=first["run"],
        run_b=second["run"],
        recipe=tuple(changes(first.get("recipe") or {}, second.get("recipe") or {})),
        steps={name: change for name, change in found.items() if change},
        only_a=tuple(n for n in a if n not in b),
        only_b=tuple(n for n in b if n not in a),
    )


def diff_steps(a: Mapping[str, Any], b: Mapping[str, Any]) -> StepDiff:
    """Compare one step of two run records."""
    config = changes(a["config"], b["config"])
    if a["version"] != b["version"]:
        config.insert(0, f"version {a['version']} -> {b['version']}")
    files = sorted({*a["externals"], *b["externals"]})
    states = ("FAILED" in (a["state"], b["state"])) and a["state"] != b["state"]
    return StepDiff(
        config=tuple(config),
        externals=tuple(
            f"file {b['locations'].get(n) or a['locations'].get(n) or n} changed"
            for n in files
            if a["externals"].get(n) != b["externals"].get(n)
        ),
        facts=tuple(_fact_changes(a.get("facts", {}), b.get("facts", {}))),
        states=(a["state"], b["state"]) if states else None,
    )


def _fact_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[FactChange]:
    before, after = numbers(a), numbers(b)
    names = sorted({*before, *after})
    pairs = [FactChange(name=n, before=before.get(n), after=after.get(n)) for n in names]
    return [p for p in pairs if p.before != p.after]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
