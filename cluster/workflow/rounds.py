"""One round of a run: start what is ready and ours, publish what comes back, skip what is behind a failure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from cluster.workflow.events import Kind
from cluster.workflow.failures import sentence, storage_errors
from cluster.workflow.job import Job, Outcome
from cluster.workflow.keys import object_name
from cluster.workflow.lease import Lease, LeaseLost
from cluster.workflow.manifest import InputRef, Manifest
from cluster.workflow.owner import Owner
from cluster.workflow.plan import Plan, StepPlan, made_from_other_contents
from cluster.workflow.provenance import provenance, without_secrets
from cluster.workflow.results import State, StepResult
from cluster.workflow.source import source_digest
from cluster.workflow.step import Step
from cluster.workflow.store import Output
from components.files import Folder

if TYPE_CHECKING:
    from cluster.workflow.executor import _Run

_POLL_S = 0.2
_ASK_AGAIN_S = 0.3  # for a lease that another driver holds


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    lease: Lease
    draft: Folder
    source: str | None
    replace: bool
    nodes: Counter[str] = field(default_factory=Counter)  # where its pieces ran


class Round:
    """Steps that have to run, each after those of its inputs that are in the same round.

    Every step goes: lease -> look again (another driver may have made it) -> run -> publish -> release.
    """

    def __init__(self, run: _Run, current: Plan, todo: list[str]) -> None:
        self._run, self._plan = run, current
        self._pending = list(todo)
        self._running: dict[str, _Attempt] = {}
        self._outputs = {s.name: s.output for s in current.steps.values() if s.output is not None}
        self._leases = run.store.leases(run.options.timing)
        self._ask_again: dict[str, float] = {}
        self._told_holder: dict[str, str] = {}
        self._cancelled: set[str] = set()

    def run(self) -> None:
        try:
            while self._pending or self._running:
                self._skip_behind_failures()
                self._start_ready()
                self._cancel_lost()
                if not (self._pending or self._running):
                    break
                for message in self._run.poll(_POLL_S if self._running else _POLL_S / 4):
                    self._handle(message)
        except BaseException:
            self._run.close_dispatcher()  # bodies end before their leases do
            for attempt in self._running.values():
                attempt.lease.release()
            raise

    def _skip_behind_failures(self) -> None:
        for name in list(self._pending):
            coming = {*self._outputs, *self._pending, *self._running}
            missing = sorted(self._run.graph.inputs_of(name) - coming)
            if missing:
                self._pending.remove(name)
                self._run.blocked.add(name)
                key, reason = self._run.graph.keys[name], f"there is no output of {', '.join(missing)}"
                self._run.settle(StepResult(name=name, state=State.SKIPPED, key=key, reason=reason))

    def _start_ready(self) -> None:
        limit = self._run.options.max_parallel or len(self._run.graph)
        for name in list(self._pending):
            ready = self._run.graph.inputs_of(name) <= set(self._outputs)
            if ready and len(self._running) < limit and time.monotonic() >= self._ask_again.get(name, 0.0):
                self._try_start(name)

    def _try_start(self, name: str) -> None:
        key = self._run.graph.keys[name]
        with storage_errors(self._run.store.root.path):
            lease = self._leases.acquire(object_name(name, key))
        if not isinstance(lease, Lease):
            self._wait_for(name, lease)
            return
        self._pending.remove(name)
        try:
            self._start(name, key, lease)
        except BaseException:
            lease.release()
            raise

    def _start(self, name: str, key: str, lease: Lease) -> None:
        step, store = self._run.graph.steps[name], self._run.store
        found = store.find(name, key, verify=self._run.options.verify)
        sound = found.sound
        if sound and name not in self._run.forced and not made_from_other_contents(step, sound.manifest, self._outputs):
            lease.release()  # another driver made it since we planned
            self._settle(hit_result(replace(self._plan.steps[name], output=sound)))
            return
        there = found.output is not None or found.damage is not None
        job = Job(
            step=replace(step, inputs={}),
            key=key,
            draft=store.draft(name, key, lease),
            work=store.work(name, key),
            inputs={n: self._outputs[s.name].folder for n, s in step.inputs.items()},
        )
        attempt = _Attempt(lease=lease, draft=job.draft, source=source_digest(step.run), replace=there)
        self._run.dispatcher().submit(job)
        self._running[name] = attempt
        reasons = list(self._plan.steps[name].reasons)
        self._run.tell(
            Kind.STEP_STARTED, name, key=key, version=step.version, config=dict(step.config), reasons=reasons
        )

    def _wait_for(self, name: str, holder: Owner | None) -> None:
        who = str(holder) if holder else "another driver"
        if self._told_holder.get(name) != who:
            self._run.tell(Kind.STEP_WAITING, name, holder=who)
        self._told_holder[name] = who
        pause = _ASK_AGAIN_S if self._run.store.root.is_local else 10 * _ASK_AGAIN_S
        self._ask_again[name] = time.monotonic() + pause

    def _cancel_lost(self) -> None:
        for name, attempt in self._running.items():
            if attempt.lease.lost and name not in self._cancelled:
                self._cancelled.add(name)
                self._run.dispatcher().cancel(name)

    def _handle(self, message: object) -> None:
        if not isinstance(message, Outcome):
            assert isinstance(message, dict)
            if message.get("kind") == Kind.PLACED and (running := self._running.get(str(message.get("step")))):
                running.nodes.update(message["nodes"])
            self._run.tell.forward(message)
            return
        attempt = self._running.pop(message.name)
        try:
            self._conclude(message, attempt)
        except LeaseLost:
            self._cancelled.discard(message.name)
            self._pending.append(message.name)  # somebody else makes it: wait for theirs
            attempt.draft.delete()
        finally:
            attempt.lease.release()

    def _conclude(self, outcome: Outcome, attempt: _Attempt) -> None:
        name, error, output = outcome.name, outcome.error, None
        if error is not None and not attempt.lease.held():
            raise LeaseLost(name)
        log = self._write_log(outcome)
        if error is None:
            try:
                output = self._publish(outcome, attempt)
            except LeaseLost:
                raise
            except Exception as exc:  # a full disk fails this step, not the run
                error = sentence(exc)
        if output is None:
            attempt.draft.delete()
        self._settle(
            StepResult(
                name=name,
                state=State.RAN if output is not None else State.FAILED,
                key=self._run.graph.keys[name],
                facts=output.manifest.facts if output is not None else {},
                seconds=outcome.seconds,
                reason="; ".join(self._plan.steps[name].reasons),
                error=error,
                log=log,
                output=output,
                origin_run=str(output.manifest.made.get("run")) if output is not None else None,
            )
        )

    def _publish(self, outcome: Outcome, attempt: _Attempt) -> Output:
        assert outcome.made is not None
        step, key = self._run.graph.steps[outcome.name], self._run.graph.keys[outcome.name]
        made = {
            "run": self._run.run_id,
            "time": time.time(),
            "seconds": outcome.seconds,
            "cpu_seconds": outcome.cpu_seconds,
            "peak_bytes": outcome.peak_bytes,
            "source": attempt.source,
            "node": outcome.node,
            "nodes": dict(attempt.nodes),
            **provenance(),
        }
        manifest = manifest_of(step, key, outcome, self._outputs, made)
        return self._run.store.publish(outcome.made, manifest, attempt.lease, replace=attempt.replace)

    def _settle(self, result: StepResult) -> None:
        if result.output is not None:
            self._outputs[result.name] = result.output
        if result.state is State.FAILED:
            self._run.blocked.add(result.name)
        self._run.settle(result)

    def _write_log(self, outcome: Outcome) -> str | None:
        if self._run.options.logs_dir is None:
            return None
        path = self._run.options.logs_dir / self._run.run_id / f"{outcome.name}.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(outcome.log, encoding="utf-8", errors="replace")
        except OSError:  # a full disk must not hide why the step failed
            return None
        return str(path)


def manifest_of(
    step: Step, key: str, outcome: Outcome, outputs: Mapping[str, Output], made: Mapping[str, object]
) -> Manifest:
    """The manifest of an attempt that worked. URIs lose their passwords here."""
    read = {n: outputs[s.name].manifest for n, s in step.inputs.items()}
    return Manifest(
        step=step.name,
        version=step.version,
        key=key,
        run=step.run,
        config=dict(step.config),
        externals=dict(step.externals),
        locations={n: without_secrets(place) for n, place in step.locations.items()},
        options=dict(step.options),
        resources=asdict(step.resources),
        inputs={n: InputRef(step=m.step, key=m.key, digest=m.digest) for n, m in read.items()},
        files=outcome.files,
        facts=outcome.facts,
        made=dict(made),
    )


def hit_result(step: StepPlan) -> StepResult:
    """A step whose output is there already."""
    assert step.output is not None
    manifest = step.output.manifest
    return StepResult(
        name=step.name,
        state=State.HIT,
        key=step.key,
        facts=manifest.facts,
        seconds=float(manifest.made.get("seconds", 0.0)),
        output=step.output,
        origin_run=str(manifest.made.get("run")),
        warnings=step.warnings,
    )
