"""The trials of a sweep: what is asked for next, which of it is in the store already, and what came out.

A trial is found again by the key of its last step: whoever made it, in whatever sweep, it is not run a second time.
``HOME/sweeps/<id>.jsonl`` lists the points that were asked for (for samplers that learn from results) and those that
the scheduler stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.tuning import DONE, FAILED, STOPPED, Task
from cluster.workflow.graph import Graph
from cluster.workflow.history import new_run_id
from cluster.workflow.keys import canonical, object_name
from cluster.workflow.plan import plan
from cluster.workflow.rounds import hit_result
from cluster.workflow.store import Store
from components.errors import UserError
from components.tuning.samplers import Sampler
from components.tuning.space import Point
from pipelines.recipe import Recipe
from pipelines.search_space import KNOWN, flat_point, recipe_at
from pipelines.trial import made

Event = dict[str, Any]


@dataclass(kw_only=True)
class Trial:
    """One trial and, once it ended, what came out.

    Attributes:
        uid: of its run, for steps and MLflow.
        key: of its last step.
        state: running, done, failed or stopped.
        scores: see :func:`pipelines.trial_graphs.trial_scores`.
        seconds: from its start to its end; ``cost``: of the work that no other setting shares, whoever did it.
        reused: it was in the store before this sweep asked for it.
    """

    number: int
    point: Point
    recipe: Recipe
    graph: Graph
    key: str
    uid: str = field(default_factory=new_run_id)
    state: str = "running"
    scores: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    seconds: float = 0.0
    cost: float = 0.0
    error: str = ""
    epochs: int = 0
    reused: bool = False
    ran: Mapping[str, float] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, Any]:
        return flat_point(self.point)

    def known(self, metric: str) -> float | None:
        """The value that decides, if the trial has it."""
        entry = self.scores.get("known", {}).get(metric.removeprefix(KNOWN))
        return None if entry is None else float(entry["mean"])

    def metrics(self) -> dict[str, float]:
        """All its numbers, flat."""
        flat = {f"{part}.{n}": v["mean"] for part, scores in self.scores.items() for n, v in scores.items()}
        return {**flat, "cost_s": self.cost, "seconds": self.seconds}


class Ledger:
    """Points that were asked for, and the ends that the store does not know. Append-only; a torn line is skipped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.points: list[Point] = []
        self.stopped: dict[str, int] = {}
        for entry in self._read():
            if "point" in entry and entry["point"] not in self.points:
                self.points.append(entry["point"])
            if "stopped" in entry:
                self.stopped[entry["stopped"]] = int(entry["epochs"])

    def asked(self, point: Point) -> None:
        if (plain := json.loads(canonical(point))) not in self.points:
            self.points.append(plain)
            self._append({"point": plain})

    def stop(self, key: str, epochs: int) -> None:
        self._append({"stopped": key, "epochs": epochs})

    def _append(self, entry: Mapping[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _read(self) -> Iterator[dict[str, Any]]:
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue


@dataclass(kw_only=True)
class Trials:
    """A :class:`cluster.tuning.Source`: proposes trials, skips those that are there, keeps what came out.

    Attributes:
        tell: gets ``trial-started``, ``trial-event`` and ``trial-finished``.
        before: points of earlier sessions, to be looked up before new ones are asked for.
    """

    base: Recipe
    sampler: Sampler
    metric: str
    store: Store
    ledger: Ledger
    build: Callable[[Recipe], Graph]
    settings: Mapping[str, Any]
    tell: Callable[[Event], None]
    before: list[Point] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    problem: UserError | None = None
    _first: Task | None = None

    def anything_to_run(self) -> bool:
        """Whether any trial is not in the store: nothing has to be started otherwise."""
        self._first = self.next()
        return self._first is not None

    def next(self) -> Task | None:
        """The next trial that has to run; those in the store end at once."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        while self.problem is None:
            point = self.before.pop(0) if self.before else self.sampler.ask()
            if point is None:
                return None
            trial = self._make(point)
            if trial is not None and not self._settled(trial):
                return Task(number=trial.number, config=self._config(trial))
        return None

    def event(self, number: int, event: Event) -> None:
        trial = self.trials[number]
        self.tell({"kind": "trial-event", "trial": trial.uid, "number": number, "event": event})

    def done(self, number: int, outcome: Mapping[str, Any]) -> None:
        trial = self.trials[number]
        trial.state = str(outcome["state"])
        for name in ("scores", "seconds", "cost", "error", "epochs", "ran"):
            if name in outcome:
                setattr(trial, name, outcome[name])
        value = trial.known(self.metric) if trial.state == DONE else None
        if trial.state == STOPPED and not trial.reused:
            self.ledger.stop(trial.key, trial.epochs)
        if trial.state == DONE and value is None:
            have = ", ".join(f"{KNOWN}{name}" for name in trial.scores["known"])
            self.problem = UserError(f"no trial reports {self.metric!r}", where="metric", do=f"they report {have}")
        self.sampler.tell(trial.point, value)
        tags = {"error": trial.error, "trial.reused": "true" if trial.reused else "", "trial.key": trial.key}
        told = {"number": number, "state": trial.state, "metrics": trial.metrics(), "tags": tags}
        self.tell({"kind": "trial-finished", "trial": trial.uid, **told})

    def outputs(self) -> list[str]:
        """Names of everything in the store that these trials use, for the garbage collector."""
        used = {object_name(n, key) for t in self.trials for n, key in t.graph.keys.items()}
        return sorted(used)

    def _make(self, point: Point) -> Trial | None:
        """None: the point was asked for already."""
        recipe = recipe_at(self.base, point)
        graph = self.build(recipe)
        key = graph.keys[graph.targets[-1]]
        same = next((t for t in self.trials if t.key == key), None)
        if same is not None:
            self.sampler.tell(point, same.known(self.metric))
            return None
        trial = Trial(number=len(self.trials), point=point, recipe=recipe, graph=graph, key=key)
        self.trials.append(trial)
        self.ledger.asked(point)
        self.tell({"kind": "trial-started", "trial": trial.uid, "number": trial.number, "params": trial.params})
        return trial

    def _settled(self, trial: Trial) -> bool:
        """End a trial whose result is known."""
        if trial.key in self.ledger.stopped:
            trial.reused = True
            self.done(trial.number, {"state": STOPPED, "epochs": self.ledger.stopped[trial.key]})
            return True
        target = trial.graph.targets[-1]
        if self.store.find(target, trial.key).sound is None:
            return False
        planned = plan(trial.graph, self.store)
        if planned.to_run:
            return False
        steps = {n: hit_result(step) for n, step in planned.steps.items() if step.output is not None}
        trial.reused = True
        for name, step in steps.items():
            link = {"kind": "step-finished", "step": name, "cached": True, "origin_run": step.origin_run}
            self.event(trial.number, link)
        self.done(trial.number, made(steps))
        return True

    def _config(self, trial: Trial) -> dict[str, Any]:
        return {**self.settings, "recipe": trial.recipe.model_dump(mode="json"), "run": trial.uid}


def failed(trials: list[Trial]) -> list[Trial]:
    return [t for t in trials if t.state == FAILED]


def finished(trials: list[Trial], metric: str) -> list[Trial]:
    """Trials with a value, in order of their numbers."""
    return [t for t in trials if t.state == DONE and t.known(metric) is not None]


def best_of(trials: list[Trial], metric: str, mode: str) -> Trial:
    """By the known pairs alone; of equal ones the first. Raises UserError: there is none."""
    candidates = finished(trials, metric)
    if not candidates:
        wrong = failed(trials)
        told = f"; the first: {wrong[0].error}" if wrong else ""
        raise UserError(f"none of the {len(trials)} trials came to an end{told}", do="see their logs in HOME/logs")
    sign = 1 if mode == "max" else -1
    return max(candidates, key=lambda t: (sign * (t.known(metric) or 0.0), -t.number))


def short(value: Any) -> str:
    """A setting as people read it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def worth(metric: str, value: float) -> str:
    """A value of a metric as people read it: of recall in percent, one digit after the point."""
    return f"{value:.1f}" if metric.removeprefix(KNOWN).startswith("R@") else f"{value:.4g}"
