"""What needs no Ray of the engine for trials: order, ends, and nothing of ours in what Tune pickles."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cluster.tuning import DONE, EPOCH, FAILED, WATCHED, Task, TuneConfig, fitting, make_scheduler, run_here
from components.errors import UserError


class Source:
    """Three tasks, and what is said of them. Cannot be pickled, as a sweep cannot."""

    def __init__(self, trials: int = 3) -> None:
        self.tasks = [Task(number=n, config={"n": n}) for n in range(trials)]
        self.told: list[tuple[int, Any]] = []
        self.lock = threading.RLock()

    def next(self) -> Task | None:
        return self.tasks.pop(0) if self.tasks else None

    def event(self, number: int, event: dict[str, Any]) -> None:
        self.told.append((number, event["kind"]))

    def done(self, number: int, outcome: Mapping[str, Any]) -> None:
        self.told.append((number, outcome["state"]))


def evaluate(task: Mapping[str, Any], emit: Any, report: Callable[[float], None]) -> dict[str, Any]:
    emit({"kind": "note"})
    report(1.0)
    return {"state": FAILED if task["n"] == 1 else DONE}


def test_trials_run_one_by_one_and_a_failed_one_ends_nothing() -> None:
    source = Source()
    run_here(source, evaluate)
    assert source.told == [(0, "note"), (0, DONE), (1, "note"), (1, FAILED), (2, "note"), (2, DONE)]


def test_tune_gets_the_next_trial_but_nothing_of_the_sweep_into_its_files() -> None:
    from ray import cloudpickle
    from ray.tune.search import Searcher

    from cluster.tune_hooks import Ends, FromSource

    searcher = FromSource(Ends(Source(1)))
    written = cloudpickle.dumps(searcher)
    assert pickle.loads(written).suggest("t") == Searcher.FINISHED, "what was written knows no trial"
    assert copy.deepcopy(searcher).suggest("t") == {"number": 0, "task": {"n": 0}}, "a copy is the same search"
    assert searcher.suggest("t") == Searcher.FINISHED


def test_an_end_is_told_once() -> None:
    from cluster.tune_hooks import Ends

    class Trial:
        config: Mapping[str, Any] = {"number": 2}

    source = Source()
    ends = Ends(source)
    ends.take = lambda: source.event(2, {"kind": "late"})  # type: ignore[method-assign]
    ends.end(Trial(), {"state": DONE})
    ends.end(Trial(), {"state": FAILED})
    assert source.told == [(2, "late"), (2, DONE)]


def test_more_workers_and_trials_than_cpus_are_refused_and_fewer_trials_chosen() -> None:
    assert fitting(asked=None, workers=1, cpus_each=1.0, cpus=2.0) == 2
    assert fitting(asked=None, workers=2, cpus_each=1.0, cpus=2.0) == 1
    assert fitting(asked=3, workers=1, cpus_each=0.5, cpus=2.0) == 3
    with pytest.raises(UserError, match="2 trials at a time with 2 workers each need 4 CPUs; the cluster has 2"):
        fitting(asked=2, workers=2, cpus_each=1.0, cpus=2.0)
    with pytest.raises(UserError, match="the cluster has 2"):
        fitting(asked=None, workers=4, cpus_each=1.0, cpus=2.0)


def test_the_median_rule_pauses_no_trial_for_those_that_have_not_begun() -> None:
    """Tune's trials leave no checkpoint: a paused one would begin again."""

    class Trial:
        trial_id, status = "a", "PENDING"

    class Controller:
        def get_live_trials(self) -> list[Trial]:
            return [Trial()]

    rule = make_scheduler(TuneConfig(evaluate=evaluate, concurrent=2, most=2, scheduler="median", grace=1))
    decision = rule.on_trial_result(Controller(), Trial(), {EPOCH: 2, WATCHED: 0.5})
    assert decision == rule.CONTINUE
