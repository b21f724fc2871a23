"""Brings a graph's outputs into being: hits stay, what is missing runs, independent branches run side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.workflow.events import Announcer, Event, Kind, Listener
from cluster.workflow.failures import sentence
from cluster.workflow.graph import Graph
from cluster.workflow.history import RunRecord, new_run_id
from cluster.workflow.job import Dispatcher, Outcome
from cluster.workflow.lease import LeaseTiming
from cluster.workflow.plan import Plan, StepPlan, plan
from cluster.workflow.results import RunResult, State, StepResult, failed_fields, finished_fields
from cluster.workflow.rounds import Round, hit_result
from cluster.workflow.store import Store
from components.errors import UserError

DispatcherFactory = Callable[[], Dispatcher]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run; none of it enters a key.

    Attributes:
        force: steps to make again, with all that is downstream of them.
        verify: compare the digests of all outputs before they are reused.
        logs_dir: local folder for ``<run id>/<step>.log``; None: no log files.
        max_parallel: steps at a time; None: as many as there are.
        timing: heartbeats and expiry of leases.
        recipe: as given by the user, for the run's record.
        pipeline: name of what built the graph, for the run's record.
        record: keep a record in the store; the trials of a sweep are one record together.
    """

    force: Collection[str] = ()
    verify: bool = False
    logs_dir: Path | None = None
    max_parallel: int | None = None
    timing: LeaseTiming | None = None
    recipe: Mapping[str, Any] | None = None
    pipeline: str = ""
    record: bool = True


def execute(
    graph: Graph,
    store: Store,
    dispatcher: DispatcherFactory,
    *,
    run_id: str | None = None,
    listener: Listener | None = None,
    **options: Any,
) -> RunResult:
    """Run what is missing, and return how each step ended. A failed step does not raise: see ``RunResult.error``.

    Args:
        dispatcher: called once, when the first step really has to run: if all steps hit, Ray is never started.
        listener: gets every event (:mod:`cluster.workflow.events`), always from this thread.
        options: fields of :class:`RunOptions`.

    Raises:
        UserError: a forced step is unknown, the store cannot be written, or the dispatcher cannot be started.
    """
    chosen = RunOptions(**options)
    return _Run(graph, store, dispatcher, run_id=run_id or new_run_id(), listener=listener, options=chosen).go()


class _Run:
    def __init__(
        self,
        graph: Graph,
        store: Store,
        dispatcher: DispatcherFactory,
        *,
        run_id: str,
        listener: Listener | None,
        options: RunOptions,
    ) -> None:
        self.graph, self.store, self.run_id, self.options = graph, store, run_id, options
        self.tell = Announcer(run_id, listener)
        self.results: dict[str, StepResult] = {}
        self.forced = graph.downstream(options.force)  # each is made again once, in whatever round
        self.blocked: set[str] = set()  # failed, or behind one that failed
        self._factory = dispatcher
        self._dispatcher: Dispatcher | None = None
        self._record = RunRecord(store, run_id, graph, options.pipeline, options.recipe)
        self._started = time.monotonic()

    def go(self) -> RunResult:
        if self.options.record:
            self._record.begin()
        self.tell(
            Kind.RUN_STARTED, pipeline=self.options.pipeline, steps=list(self.graph.steps), recipe=self.options.recipe
        )
        try:
            self._all_rounds()
        except BaseException as exc:
            self._end(f"interrupted: {sentence(exc)}" if isinstance(exc, KeyboardInterrupt) else sentence(exc))
            raise
        finally:
            self.close_dispatcher()
        return self._end(None)

    def dispatcher(self) -> Dispatcher:
        if self._dispatcher is None:
            self._dispatcher = self._factory()
        return self._dispatcher

    def close_dispatcher(self) -> None:
        if self._dispatcher is not None:
            self._dispatcher.close()
        self._dispatcher = None

    def poll(self, timeout_s: float) -> Sequence[Event | Outcome]:
        """Messages of the dispatcher; if none runs yet (we wait for other drivers), just the waiting."""
        if self._dispatcher is not None:
            return self._dispatcher.poll(timeout_s)
        time.sleep(timeout_s)
        return ()

    def _all_rounds(self) -> None:
        """One round is enough unless an output that was made again came out different from before."""
        for turn in range(len(self.graph) + 1):
            current = plan(
                self.graph,
                self.store,
                force=self._still_forced(),
                verify=self.options.verify,
                trusted=self._settled(),
            )
            if turn == 0:
                self._announce(current)
            ahead = [n for n in current.to_run if n not in self.blocked and not self._ran(n)]
            after = self.graph.downstream(ahead)
            self._take_hits(current, after)
            if not ahead:
                break
            unsure = after - set(ahead)  # hits that may turn stale: what reads them waits for the next round
            Round(self, current, [n for n in ahead if n not in self.graph.downstream(unsure)]).run()

    def _still_forced(self) -> set[str]:
        return {n for n in self.options.force if not self._ran(n) and n not in self.blocked}

    def _settled(self) -> set[str]:
        return {n for n, r in self.results.items() if r.state in (State.RAN, State.HIT)}

    def _ran(self, name: str) -> bool:
        return name in self.results and self.results[name].state is State.RAN

    def _announce(self, current: Plan) -> None:
        for step in current.steps.values():
            self.tell(
                Kind.STEP_PLANNED,
                step.name,
                key=step.key,
                status=step.status,
                needed=step.needed,
                reasons=list(step.reasons),
                warnings=list(step.warnings),
            )

    def _take_hits(self, current: Plan, after: Collection[str]) -> None:
        """Hits count at once, unless a step before them runs: then the next round looks at them again."""
        for step in current.steps.values():
            if step.name in self.results or step.name in after:
                continue
            if step.output is not None:
                self.settle(hit_result(step))
            elif not step.runs:
                self._skip(step)

    def _skip(self, step: StepPlan) -> None:
        reason = f"not needed: everything that reads it is there ({'; '.join(step.reasons)})"
        self.settle(StepResult(name=step.name, state=State.SKIPPED, key=step.key, reason=reason))

    def settle(self, result: StepResult) -> None:
        """Remember how a step ended, and say so."""
        self.results[result.name] = result
        if result.state in (State.HIT, State.RAN):
            self.tell(Kind.STEP_FINISHED, result.name, **finished_fields(self.graph, result))
        elif result.state is State.SKIPPED:
            self.tell(Kind.STEP_SKIPPED, result.name, reason=result.reason, key=result.key)
        else:
            self.tell(Kind.STEP_FAILED, result.name, **failed_fields(self.graph, result))

    def _end(self, error: str | None) -> RunResult:
        steps = {name: self.results[name] for name in self.graph.steps if name in self.results}
        result = RunResult(run_id=self.run_id, steps=steps, seconds=time.monotonic() - self._started)
        error = error or result.error
        try:
            if self.options.record:
                self._record.end(result, error)
        except UserError:
            if error is None:  # else the disk is full, and that has been said
                raise
        self.tell(
            Kind.RUN_FINISHED,
            state="FAILED" if error else "DONE",
            seconds=result.seconds,
            steps={name: s.state.value for name, s in steps.items()},
            error=error,
        )
        return result
