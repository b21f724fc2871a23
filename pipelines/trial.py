"""One trial of a sweep, wherever it runs: build its graph, make what is missing in the store, say what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cluster.tuning import DONE, FAILED
from cluster.workflow.executor import execute
from cluster.workflow.job import Dispatcher
from cluster.workflow.results import RunResult, State, StepResult
from cluster.workflow.step import Emit
from cluster.workflow.store import Store
from pipelines.home import Home
from pipelines.recipe import validate
from pipelines.registry import model_of
from pipelines.trial_graphs import trial_graph, trial_scores

_kept: list[Any] = []  # this process' dispatcher: an actor for each trial would cost a second


def evaluate(task: Mapping[str, Any], emit: Emit, report: Callable[[float], None]) -> dict[str, Any]:
    """Run a trial. What its steps tell goes to ``emit``; what is watched of them, epoch by epoch, to ``report``.

    Args:
        task: ``recipe`` (JSON), ``home``, ``store``, ``run`` (id), ``engine``, ``logs`` and ``watch`` (step, metric).

    Returns:
        ``state`` done with ``scores`` (see :func:`pipelines.trial_graphs.trial_scores`), or failed with ``error``;
        ``seconds``, and those of the work that no other trial shares.
    """
    home = Home.open(Path(task["home"]), task["store"])
    recipe = validate(dict(task["recipe"]), model=model_of(task["recipe"]["pipeline"], "trial"))
    graph = trial_graph(recipe, home, engine=task["engine"], cache_dir=home.cache)
    watch = task.get("watch") or {}

    def listen(event: dict[str, Any]) -> None:
        emit(event)
        if event["kind"] == "metric" and (event["step"], event["name"]) == (watch.get("step"), watch.get("metric")):
            report(float(event["value"]))

    result = execute(
        graph,
        Store(home.store),
        _dispatcher(task["engine"]),
        run_id=task["run"],
        listener=listen,
        logs_dir=Path(task["logs"]),
        record=False,
    )
    return outcome_of(result)


def outcome_of(result: RunResult) -> dict[str, Any]:
    """What a trial's run comes to, as JSON."""
    ran = {name: s.seconds for name, s in result.steps.items() if s.state is State.RAN}
    outcome = {"seconds": result.seconds, "ran": ran}
    if result.failed:
        told = "; ".join(f"{s.name}: {s.error}" for s in result.failed)
        return {**outcome, "state": FAILED, "error": told, "log": result.failed[0].log or ""}
    return {**outcome, **made(result.steps)}


def made(steps: Mapping[str, StepResult]) -> dict[str, Any]:
    """Scores and cost of a trial all of whose last steps are there, whoever made them."""
    scores = trial_scores({name: s.facts for name, s in steps.items()})
    last = list(steps.values())[-1]
    return {"state": DONE, "scores": scores, "cost": last.seconds}


def _dispatcher(engine: str) -> Callable[[], Dispatcher]:
    if engine != "ray":
        from cluster.workflow.inprocess import InProcess

        return InProcess
    return _lasting


def _lasting() -> Dispatcher:
    from cluster.workflow.ray_dispatch import RayDispatcher

    class Lasting(RayDispatcher):
        """Serves all trials of this process, one after the other."""

        def close(self) -> None:
            self.stop_jobs()

    if not _kept:
        _kept.append(Lasting())
    dispatcher: RayDispatcher = _kept[0]
    dispatcher.poll(0)  # what stopped jobs of the trial before may have said
    return dispatcher
